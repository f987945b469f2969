"""INFO and MEMORY STATS, beside the reference's: whatever field it has is there, under the same heading, and is a
number where the reference's is one; what 7.2 added to the reference's 7.0 is there too."""

import re

# Fields of the reference that Stave does not have, and why..
LEFT_OUT = {}

ADDED_IN_7_2 = """Server.listener0 Clients.total_blocking_keys Clients.total_blocking_keys_on_nokey
Stats.acl_access_denied_auth Stats.acl_access_denied_cmd Stats.acl_access_denied_key Stats.acl_access_denied_channel
Persistence.aof_current_size Persistence.aof_base_size Persistence.aof_pending_rewrite Persistence.aof_buffer_length
Persistence.aof_pending_bio_fsync Persistence.aof_delayed_fsync Memory.used_memory_vm_total""".split()

# Fields made of what was called, or of what is there at the moment.
PASSING = ("Commandstats", "Latencystats", "Errorstats", "Keyspace")

ASKED = ("", "default", "all", "everything", "modules", "nosuch", "SERVER cpu", "keyspace memory nosuch", "cpu all")


def fields(text):
    """{"Section.name": value}, in the order of the text, but for what passes; headings are "Section"."""
    found, section = {}, None
    for line in text.decode().splitlines():
        if line.startswith("# "):
            section = line[2:]
            found[section] = ""
        elif ":" in line and section not in PASSING:
            name, value = line.split(":", 1)
            found.setdefault("%s.%s" % (section, name), value)
    return found


def kind(value):
    return "number" if re.fullmatch(r"-?\d+(\.\d+)?", value) else "text"


def run(stave, reference):
    bad, count = [], 0
    a, b = stave.connect(), reference.connect()
    here, there = [fields(c.call("INFO", "everything")) for c in (a, b)]
    for name, value in there.items():
        count += 1
        if name not in here and name not in LEFT_OUT:
            bad.append("INFO: %s is missing" % name)
        elif name in here and kind(value) == "number" and kind(here[name]) != "number":
            bad.append("INFO: %s is %r, of the reference %r" % (name, here[name], value))
    bad += ["INFO: %s is missing" % n for n in ADDED_IN_7_2 if n not in here]
    bad += ["INFO: %s is not left out" % n for n in LEFT_OUT if n in here]
    text = a.call("INFO", "everything").decode()
    names = re.findall(r"(?m)^([a-z_0-9]+):", text.split("# Commandstats")[0])
    bad += ["INFO: %s is told twice" % n for n in sorted(set(names)) if names.count(n) > 1]
    for words in ASKED:  # the engine's section is Stave's own
        left, right = [[n for n in fields(c.call("INFO", *words.split())) if "." not in n] for c in (a, b)]
        count += 1
        if [n for n in left if n != "Engine" or words.lower() == "engine"] != right:
            bad.append("INFO %s: %s, of the reference %s" % (words, left, right))
    left, right = [c.call("MEMORY", "STATS")[::2] for c in (a, b)]
    count += len(right)
    bad += ["MEMORY STATS: no %s" % n for n in right if n not in left and not n.startswith(b"db.")]
    order = [n for n in left if n in right]
    if order != [n for n in right if n in left]:
        bad.append("MEMORY STATS: in the order %s" % order)
    for what in bad:
        print("FAILED: " + what)
    a.close()
    b.close()
    return count - len(bad), len(bad)
