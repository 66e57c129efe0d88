/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands that only read files of others (policies, lists, captures) need no rights for that but to read. Started by root they
 * give up every capability but CAP_DAC_READ_SEARCH, and where the kernel has Landlock (5.13) they can write, make, remove and execute
 * no file any more, though root owns it. So a fault in a parser is no way into the machine.
 */
#ifndef KS_CLI_CONFINE_H
#define KS_CLI_CONFINE_H

#include <stdbool.h>

/*
 * To be called before the first file is read. `writes`: the command writes files of its own, which leaves files alone. What the
 * kernel refuses is left as it is: the command is as safe as before.
 */
void ks_cli_confine(bool writes);

/* The same for who will not even read: no capability is left, and no file can be opened. Sockets can be used. */
void ks_cli_confine_all(void);

#endif
