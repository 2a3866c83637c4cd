// SPDX-License-Identifier: GPL-2.0

//! Kernels that want modules to be signed: what scripts/install.sh says, and what it leaves.
//!
//! Both ways to make a kernel want that can be taken while it runs, and neither can be taken back.

use crate::harness::Guest::Alone;
use crate::harness::Test;
use crate::module::{is_loaded, load, script};
use crate::udev_test::{self, RULE};
use crate::{skip, test};
use nix::errno::Errno::*;
use std::fs;
use std::path::Path;

pub const TESTS: &[Test] = &[
    test!(on_a_kernel_that_is_locked_down_install_sh_says_so_and_leaves_nothing).runs_in(Alone),
    test!(on_a_kernel_that_enforces_signatures_install_sh_says_so_and_leaves_nothing)
        .runs_in(Alone),
];

/// Fails unless install.sh fails with an explanation, in which the kernel's word for it is, and
/// takes back what it has done.
fn assert_refused(word: &str) {
    let udevd = udev_test::begin();
    let (ok, text) = script("install.sh");
    assert!(!ok, "{text}");
    for part in [
        word,
        "accepts signed modules only",
        "Secure Boot",
        "sign-file",
    ] {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    assert!(!is_loaded());
    for path in [RULE, "/sys/class/groups", "/dev/group0", "/dev/synch"] {
        assert!(!Path::new(path).exists(), "{path} was left");
    }
    // There is nothing to remove, and that is no failure.
    let (ok, text) = script("remove.sh");
    assert!(ok && text.contains("not loaded"), "{text}");
    if let Some(mut udevd) = udevd {
        udevd.kill().unwrap();
        udevd.wait().unwrap();
    }
}

fn on_a_kernel_that_is_locked_down_install_sh_says_so_and_leaves_nothing() {
    if let Err(err) = fs::write("/sys/kernel/security/lockdown", "integrity") {
        skip!("this kernel cannot be locked down: {err}");
    }
    assert_eq!(load(""), Err(EPERM));
    assert_refused("Operation not permitted");
}

fn on_a_kernel_that_enforces_signatures_install_sh_says_so_and_leaves_nothing() {
    if let Err(err) = fs::write("/sys/module/module/parameters/sig_enforce", "1") {
        skip!("this kernel cannot enforce signatures: {err}");
    }
    assert_eq!(load(""), Err(EKEYREJECTED));
    assert_refused("Key was rejected by service");
}
