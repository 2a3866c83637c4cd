// SPDX-License-Identifier: GPL-2.0

//! A user who takes all that there is to take: others go on, and it is the hog who pays.

use crate::cgroup::{Cgroup, MIB};
use crate::group::{DEFAULT_STORAGE, Device, Group};
use crate::harness::Guest::Alone;
use crate::harness::{Test, report};
use crate::module::{load, unload};
use crate::process::{DAEMON, NOBODY, as_user, become_user, spawn, wait_until};
use crate::sys::{INSTALL_GROUP, RawGroup, Result, install, shared};
use crate::test;
use nix::errno::Errno::*;
use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;

pub const TESTS: &[Test] = &[
    test!(a_user_who_makes_and_fills_every_group_stops_nobody_else)
        .runs_in(Alone)
        .seconds(300),
];

/// As many as there may be by default.
const MAX: u32 = 2000;

fn install_id(device: &Device, id: &str) -> Result<i32> {
    install(device, INSTALL_GROUP, &mut RawGroup::new(id))
}

fn group(number: u32) -> Group {
    let id = format!("number {number}").into();
    Group { id, number }
}

/// Makes groups until there are no more, and fills each one.
fn make_and_fill_all() {
    let zero = Group::zero().open();
    for number in 2..MAX {
        assert_eq!(install_id(&zero, &format!("number {number}")), Ok(1));
    }
    assert_eq!(install_id(&zero, "one more"), Err(EDQUOT));
    for number in 0..MAX {
        let device = group(number).open();
        loop {
            match device.write([b'h'; 100]) {
                Ok(n) => assert_eq!(n, 100),
                Err(ENOSPC) => break,
                Err(err) => panic!("group{number}: {err}"),
            }
        }
    }
}

/// Everything that another user does goes on: it fails only for want of room, or of a number.
fn get_on() {
    let device = Device::open(group(1).node(), true, true).unwrap();
    assert_eq!(install_id(&device, "of another user"), Ok(0));
    match device.write([b'o'; 100]) {
        Ok(100) | Err(ENOSPC) => {}
        result => panic!("write: {result:?}"),
    }
    // There is a message, its own or the hog's, and one for each that is sent.
    assert_eq!(device.receive().len(), 100);
    device.set_delay(0);
    device.revoke();
    device.flush();
    device.events();
    assert_eq!(device.awake_barrier(), 2);
}

fn a_user_who_makes_and_fills_every_group_stops_nobody_else() {
    load("").unwrap();
    let cgroup = Cgroup::new();
    as_user(DAEMON, || {
        let zero = Group::zero().open();
        assert_eq!(install_id(&zero, "of another user"), Ok(1));
        group(1).open().send([b'o'; 100]);
    });

    let words = shared(2);
    let (rounds, end) = (&words[0], &words[1]);
    let other = spawn(|| {
        become_user(DAEMON);
        while end.load(SeqCst) == 0 {
            get_on();
            rounds.fetch_add(1, SeqCst);
        }
    });
    wait_until("the other user gets on", || rounds.load(SeqCst) > 0);
    cgroup.run(|| {
        become_user(NOBODY);
        make_and_fill_all();
    });
    let meanwhile = rounds.load(SeqCst);
    report(&format!("the other user got on {meanwhile} times"));
    assert!(meanwhile > 10);
    wait_until("and still does", || rounds.load(SeqCst) > meanwhile + 10);
    end.store(1, SeqCst);
    other.join();

    // The limits of all groups, and a constant for each message and each group.
    let charged = cgroup.charged();
    report(&format!("{} MiB are charged to the hog", charged / MIB));
    let least = (u64::from(MAX) - 2) * DEFAULT_STORAGE as u64;
    assert!(charged >= least, "{charged} bytes");
    let most = u64::from(MAX) * (DEFAULT_STORAGE as u64 + 100 * 160 + 4096) + MIB;
    assert!(charged <= most, "{charged} bytes");

    // All that is full can be emptied and used by anybody; root can make room.
    as_user(DAEMON, || {
        for number in (0..MAX).step_by(77) {
            let device = group(number).open();
            if number > 0 {
                assert_eq!(install_id(&device, &format!("number {number}")), Ok(0));
            }
            assert_eq!(device.write([b'o'; 100]), Err(ENOSPC));
            assert_eq!(device.receive(), [b'h'; 100]);
            device.send([b'o'; 100]);
        }
        assert_eq!(install_id(&group(1).open(), "new"), Err(EDQUOT));
    });
    group(5).set("max_storage_size", 2 * DEFAULT_STORAGE);
    group(5).open().send("there is room");

    unload();
    assert!(!Path::new("/sys/class/groups").exists());
    assert!(!group(MAX - 1).node().exists());
    cgroup.assert_free();
}
