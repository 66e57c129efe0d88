/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The compile-time half of the seam between the core and its home; core/env.h
 * is the run-time half. A home gives the build the path of its header as
 * KS_HOME: engine/home.h natively, bpf/home.h in the kernel.
 */
#ifndef KS_CORE_HOME_H
#define KS_CORE_HOME_H

#include KS_HOME

#endif
