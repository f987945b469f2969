/* options: the command line, in redis-server's syntax. */
#ifndef STAVE_SERVER_OPTIONS_H
#define STAVE_SERVER_OPTIONS_H

#include "base/status.h"

typedef enum options_result {
    OPTIONS_RUN,  /* settings are in place */
    OPTIONS_DONE, /* --help or --version: printed, nothing more to do */
    OPTIONS_BAD,  /* *why says what is wrong */
} options_result;

/* [FILE | -] [--setting value ...]: the file first, then the options, which win. */
options_result options_parse(int argc, char **argv, status *why);

#endif
