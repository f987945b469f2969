/* readme: looks for rows of hex digits in a document. */
#include "support/readme.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/unit.h"

#define TEXT_MAX (1u << 20)

void assert_readme_shows(const char *path, const void *p, size_t n) {
    const unsigned char *b = p;
    FILE *f = fopen(path, "r");
    if (!f) fail_msg("%s: not found", path);
    char *text = calloc(1, TEXT_MAX);
    size_t len = fread(text, 1, TEXT_MAX - 1, f);
    fclose(f);
    for (size_t i = 0; i < n; i += 16) {
        char row[64] = "";
        for (size_t j = i; j < n && j < i + 16; j++)
            sprintf(row + strlen(row), "%s%02x", j > i ? " " : "", b[j]);
        if (len == 0 || !strstr(text, row)) fail_msg("%s does not show '%s'", path, row);
    }
    free(text);
}
