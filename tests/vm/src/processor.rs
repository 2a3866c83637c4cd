// SPDX-License-Identifier: GPL-2.0

//! Deciding who runs: for what is only seen while somebody else does not get on.

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// Has this process, and the children that it makes from now on, run on this processor alone.
pub fn stay_on(processor: usize) {
    let mut set = CpuSet::new();
    set.set(processor).unwrap();
    sched_setaffinity(Pid::from_raw(0), &set).expect("sched_setaffinity");
}

/// From now on no ordinary process runs on this processor unless this one sleeps.
pub fn do_not_share() {
    set_scheduler(libc::SCHED_FIFO, 1);
}

/// From now on this is an ordinary process again.
pub fn share() {
    set_scheduler(libc::SCHED_OTHER, 0);
}

fn set_scheduler(policy: i32, priority: i32) {
    let param = libc::sched_param {
        sched_priority: priority,
    };
    // SAFETY: The pointer is to a parameter that is ours.
    let result = unsafe { libc::sched_setscheduler(0, policy, &param) };
    nix::errno::Errno::result(result).expect("sched_setscheduler");
}
