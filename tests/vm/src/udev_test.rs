// SPDX-License-Identifier: GPL-2.0

//! udev, and a machine on which it does not run.

use crate::group::{Device, Group};
use crate::harness::Guest::Alone;
use crate::harness::Test;
use crate::module::{is_loaded, script};
use crate::process::{NOBODY, as_user, wait_until};
use crate::sys::{INSTALL_GROUP, RawGroup, install};
use crate::{skip, test};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

pub const TESTS: &[Test] =
    &[test!(without_udev_there_are_the_nodes_and_install_sh_says_so).runs_in(Alone)];

/// Where scripts/install.sh puts the rule.
pub const RULE: &str = "/run/udev/rules.d/83-groups.rules";

fn runs() -> bool {
    let sockets = fs::read_to_string("/proc/net/unix").unwrap();
    sockets.contains(" /run/udev/control")
}

/// Ends the one that the guest began with, for good.
fn end() {
    if runs() {
        let ended = Command::new("udevadm").args(["control", "--exit"]).status();
        assert!(ended.expect("udevadm").success());
        wait_until("udevd has ended", || !runs());
    }
}

/// Starts one again, if there is none. It ends with the test.
pub fn begin() -> Option<Child> {
    let udevd = "/usr/lib/systemd/systemd-udevd";
    if !runs() {
        if !Path::new(udevd).exists() {
            skip!("there is no {udevd}");
        }
        let child = Command::new(udevd).arg("--resolve-names=never").spawn();
        let child = child.expect("udevd");
        wait_until("udevd runs", runs);
        return Some(child);
    }
    None
}

fn without_udev_there_are_the_nodes_and_install_sh_says_so() {
    end();
    let (ok, text) = script("install.sh");
    assert!(ok, "install.sh: {text}");
    assert!(text.contains("udevd does not run here"), "{text}");
    assert!(text.contains("/dev/group0"), "{text}");
    assert!(fs::symlink_metadata("/dev/synch").is_err());
    assert!(!Path::new(RULE).exists());

    // The nodes are everybody's, without udev's having seen them.
    as_user(NOBODY, || {
        let zero = Device::open(Group::zero().node(), true, true).unwrap();
        let mut raw = RawGroup::new("without udev");
        assert_eq!(install(&zero, INSTALL_GROUP, &mut raw), Ok(1));
        let node = PathBuf::from("/dev").join(raw.devname());
        let device = Device::open(node, true, true).unwrap();
        device.send("message");
        assert_eq!(device.receive(), b"message");
        device.assert_all_room();
    });

    let (ok, text) = script("install.sh");
    assert!(ok && text.contains("loaded already"), "{text}");
    let (ok, text) = script("remove.sh");
    assert!(ok, "remove.sh: {text}");
    assert!(!is_loaded());
    assert!(!Path::new("/dev/group0").exists());
}
