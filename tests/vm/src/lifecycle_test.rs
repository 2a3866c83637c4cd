// SPDX-License-Identifier: GPL-2.0

//! Loading and unloading. These tests find the module loaded, and the harness loads it again
//! behind each of them.

use crate::calls::Random;
use crate::group::{Device, Group, fresh_id, group0, wait_for_path};
use crate::harness::Guest::Alone;
use crate::harness::{Test, report, work};
use crate::kernel_log::KernelLog;
use crate::module::{is_loaded, load, load_at_once, script, script_with, unload, unload_named};
use crate::process::{spawn, wait_until};
use crate::sys::{INSTALL_GROUP, RawGroup, Result, install, shared};
use crate::test;
use nix::errno::Errno::*;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

pub const TESTS: &[Test] = &[
    test!(loading_and_unloading_say_one_line_each).loads(),
    test!(unloading_is_refused_while_a_device_is_open).loads(),
    test!(unloading_removes_everything).loads(),
    test!(unloading_frees_the_messages).loads().seconds(120),
    test!(an_attribute_held_open_outlives_the_module).loads(),
    test!(the_module_can_be_loaded_and_unloaded_100_times)
        .loads()
        .seconds(180),
    test!(opening_while_the_module_comes_and_goes_harms_nobody)
        .loads()
        .seconds(120),
    test!(the_module_comes_and_goes_under_traffic)
        .runs_in(Alone)
        .seconds(4000),
    test!(parameters_set_the_defaults_of_limits).loads(),
    test!(max_groups_limits_how_many_groups_there_are).loads(),
    test!(parameters_that_make_no_sense_are_EINVAL_and_said).loads(),
    test!(install_sh_and_remove_sh_can_be_run_twice)
        .loads()
        .seconds(120),
    test!(install_sh_waits_until_udev_is_done_with_an_earlier_module).loads(),
    test!(remove_sh_says_who_keeps_the_module).loads(),
    test!(all_2000_groups_have_their_symlink_and_the_next_is_EDQUOT)
        .loads()
        .seconds(420),
];

fn loading_and_unloading_say_one_line_each() {
    let mut log = KernelLog::from_now();
    unload();
    let lines = log.lines_of_the_module();
    assert_eq!(lines.len(), 1, "{lines:?}");
    load("").unwrap();
    let lines = log.lines_of_the_module();
    assert_eq!(lines.len(), 1, "{lines:?}");
}

fn unloading_is_refused_while_a_device_is_open() {
    let device = group0();
    let refused = || unload_named(c"groups") == Err(EAGAIN);
    assert!(refused());
    device.send("still here");
    assert_eq!(device.receive(), b"still here");
    // A copy of the descriptor, in another process, is as good.
    let go = &shared(1)[0];
    let child = spawn(|| {
        wait_until("the parent has closed its own", || go.load(SeqCst) == 1);
        assert!(refused());
        device.send("to nobody");
    });
    drop(device);
    go.store(1, SeqCst);
    child.join();
    unload();
    assert!(!is_loaded());
}

fn unloading_removes_everything() {
    let groups = [Group::zero(), Group::new(), Group::new()];
    let paths: Vec<_> = groups.iter().map(Group::path).collect();
    for group in &groups {
        group.open().send("a message that nobody reads");
    }
    unload();
    for group in &groups {
        assert!(!group.node().exists());
    }
    assert!(!Path::new("/sys/class/groups").exists());
    assert!(!Path::new("/sys/module/groups").exists());
    assert!(
        !fs::read_to_string("/proc/devices")
            .unwrap()
            .contains(" groups\n")
    );
    wait_until("udev has removed the symlinks", || {
        paths.iter().all(|path| fs::symlink_metadata(path).is_err())
    });
    // Nothing of it is remembered.
    load("").unwrap();
    wait_for_path(Path::new("/dev/synch/group0"));
    group0().assert_empty();
    assert_eq!(Group::install(&groups[1].id).0, 1);
}

fn unloading_frees_the_messages() {
    const SIZE: usize = 32 << 20;
    // How many areas there are with about a message in each. The machine's free memory would not
    // do: what others have freed comes back at any time.
    let held = || {
        let text = fs::read_to_string("/proc/vmallocinfo").unwrap();
        // Those that are freed and not reused yet are listed too, without pages.
        text.lines()
            .filter(|line| line.contains(" pages="))
            .filter_map(|line| line.split_whitespace().nth(1)?.parse().ok())
            .filter(|size: &usize| (SIZE..SIZE + SIZE / 2).contains(size))
            .count()
    };
    // The kernel frees such memory when it has time; an earlier test may have had some.
    wait_until("there is none", || held() == 0);
    for _ in 0..5 {
        // The node alone is enough for root: no need to wait for udev.
        Group::zero().set("max_message_size", SIZE);
        Group::zero().set("max_storage_size", 2 * SIZE);
        Group::zero().open().send(vec![b'm'; SIZE]);
        assert_eq!(held(), 1);
        unload();
        wait_until("it is free", || held() == 0);
        load("").unwrap();
    }
}

fn an_attribute_held_open_outlives_the_module() {
    let attribute = File::options()
        .read(true)
        .write(true)
        .open(Group::zero().sysfs("max_message_size"))
        .unwrap();
    let mut text = [0; 10];
    assert_eq!(attribute.read_at(&mut text, 0).unwrap(), 4);
    assert_eq!(&text[..4], b"100\n");
    unload();
    let error = attribute.read_at(&mut text, 0).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(ENODEV as i32));
    let error = attribute.write_at(b"1", 0).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(ENODEV as i32));
}

fn the_module_can_be_loaded_and_unloaded_100_times() {
    unload();
    for round in 0..work(100) {
        let look_for_link = round % 20 == 0;
        if look_for_link {
            load("").unwrap();
        } else {
            load_at_once("").unwrap();
        }
        let device = Group::zero().open();
        device.send("message");
        let mut raw = RawGroup::new(fresh_id());
        assert_eq!(install(&device, INSTALL_GROUP, &mut raw), Ok(1));
        assert_eq!(raw.devname(), "group1");
        drop(device);
        if look_for_link {
            wait_for_path(Path::new("/dev/synch/group1"));
        }
        unload();
        assert!(!Group::zero().node().exists());
    }
}

fn opening_while_the_module_comes_and_goes_harms_nobody() {
    let done = &shared(1)[0];
    let children = [(); 2].map(|()| {
        spawn(|| {
            while done.load(SeqCst) == 0 {
                let zero = Group::zero();
                match Device::open(zero.node(), true, true) {
                    Ok(device) => {
                        device.send("message");
                        let mut raw = RawGroup::new(fresh_id());
                        install(&device, INSTALL_GROUP, &mut raw).unwrap();
                        assert_ne!(device.receive(), b"");
                    }
                    Err(ENOENT | ENXIO | ENODEV) => {}
                    Err(err) => panic!("open: {err}"),
                }
                for attribute in ["max_message_size", "id"] {
                    let _ = fs::read(zero.sysfs(attribute));
                }
            }
        })
    });
    let mut rounds = 0;
    while rounds < 20 {
        match unload_named(c"groups") {
            Ok(()) => {
                load_at_once("").unwrap();
                rounds += 1;
            }
            Err(EAGAIN) => std::thread::yield_now(),
            Err(err) => panic!("unload: {err}"),
        }
    }
    done.store(1, SeqCst);
    children.map(|child| child.join());
}

/// How often the module comes and goes: as often as it is told.
fn rounds() -> u64 {
    let rounds = std::env::var("GROUPS_TEST_LOADS").ok();
    rounds.map_or(100, |rounds| rounds.parse().expect("a number of loads"))
}

/// What programs do whenever the device is there: everything but to keep it.
fn use_it_once(random: &mut Random) -> Result<()> {
    let zero = Group::zero();
    let device = Device::open(zero.node(), true, true)?;
    let mut raw = RawGroup::new(format!("{}", random.below(20)));
    install(&device, INSTALL_GROUP, &mut raw)?;
    let other = Device::open(Path::new("/dev").join(raw.devname()), true, true)?;
    // Messages, and a timer that is set, are left behind.
    other.set_delay(random.below(3) as u32 * 20);
    for device in [&device, &other] {
        match device.write("message") {
            Ok(7) | Err(ENOSPC) => {}
            result => panic!("write: {result:?}"),
        }
    }
    device.set_receive_timeout(random.below(3) as i32)?;
    let message = device.read(100)?;
    assert!(message.is_empty() || message == b"message", "{message:?}");
    other.awake_barrier();
    other.events();
    Ok(())
}

fn the_module_comes_and_goes_under_traffic() {
    if is_loaded() {
        unload();
    }
    let words = shared(2);
    let (end, used) = (&words[0], &words[1]);
    let programs = [1, 2, 3].map(|seed| {
        spawn(move || {
            let mut random = Random::new(seed);
            while end.load(SeqCst) == 0 {
                match use_it_once(&mut random) {
                    Ok(()) => {
                        used.fetch_add(1, SeqCst);
                    }
                    Err(ENOENT | ENXIO | ENODEV) => {}
                    Err(err) => panic!("{err}"),
                }
                let _ = fs::read(Group::zero().sysfs("max_message_size"));
                // Or nobody could ever unload it.
                std::thread::sleep(Duration::from_micros(random.below(8000)));
            }
        })
    });
    let mut refused = 0;
    for round in 0..rounds() {
        load_at_once("").unwrap();
        let before = used.load(SeqCst);
        wait_until("it is used", || used.load(SeqCst) > before);
        loop {
            match unload_named(c"groups") {
                Ok(()) => break,
                Err(EAGAIN) => refused += 1,
                Err(err) => panic!("round {round}: {err}"),
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        assert!(!is_loaded());
        assert!(!Path::new("/sys/class/groups").exists());
        assert!(
            !fs::read_dir("/dev")
                .unwrap()
                .flatten()
                .any(|entry| is_group(&entry))
        );
        let devices = fs::read_to_string("/proc/devices").unwrap();
        assert!(!devices.contains(" groups\n"));
    }
    end.store(1, SeqCst);
    programs.map(|program| program.join());
    report(&format!(
        "used {} times, unloading refused {refused} times",
        used.load(SeqCst)
    ));
    assert!(refused > 0, "it was never in use when it was to go");
}

fn parameters_set_the_defaults_of_limits() {
    unload();
    load("max_message_size=7 max_storage_size=20").unwrap();
    let device = Group::zero().open();
    let mut raw = RawGroup::new(fresh_id());
    assert_eq!(install(&device, INSTALL_GROUP, &mut raw), Ok(1));
    let other = Group {
        id: raw.id.to_vec(),
        number: 1,
    };
    for group in [Group::zero(), other] {
        assert_eq!(group.get("max_message_size"), b"7\n");
        assert_eq!(group.get("max_storage_size"), b"20\n");
        let device = group.open();
        assert_eq!(device.write(b"12345678"), Err(EMSGSIZE));
        device.send("1234567");
        device.send("1234567");
        assert_eq!(device.write(b"1234567"), Err(ENOSPC));
        device.send("123456");
    }
}

fn max_groups_limits_how_many_groups_there_are() {
    unload();
    load("max_groups=3").unwrap();
    let device = Group::zero().open();
    let mut ids = Vec::new();
    for number in 1..3 {
        let mut raw = RawGroup::new(fresh_id());
        assert_eq!(install(&device, INSTALL_GROUP, &mut raw), Ok(1));
        assert_eq!(raw.devname(), format!("group{number}"));
        ids.push(raw.id);
    }
    for _ in 0..2 {
        let mut raw = RawGroup::new(fresh_id());
        assert_eq!(install(&device, INSTALL_GROUP, &mut raw), Err(EDQUOT));
    }
    // Those that are there are found, and the empty id is still no id.
    for id in ids {
        assert_eq!(
            install(&device, INSTALL_GROUP, &mut RawGroup::new(id)),
            Ok(0)
        );
    }
    let mut empty = RawGroup::new("");
    assert_eq!(install(&device, INSTALL_GROUP, &mut empty), Err(EINVAL));
    drop(device);
    unload();
    load("max_groups=1").unwrap();
    let mut raw = RawGroup::new(fresh_id());
    let result = install(Group::zero().open(), INSTALL_GROUP, &mut raw);
    assert_eq!(result, Err(EDQUOT));
}

fn parameters_that_make_no_sense_are_EINVAL_and_said() {
    unload();
    for (params, name) in [
        ("max_groups=0", "max_groups"),
        ("max_groups=1048577", "max_groups"),
        ("max_groups=4294967295", "max_groups"),
        ("max_message_size=0", "max_message_size"),
        ("max_storage_size=0", "max_storage_size"),
    ] {
        let mut log = KernelLog::from_now();
        assert_eq!(load(params), Err(EINVAL), "{params}");
        let lines = log.lines_of_the_module();
        assert!(
            lines.iter().any(|line| line.contains(name)),
            "{params}: {lines:?}"
        );
    }
    // These the kernel itself refuses.
    for params in [
        "max_groups=",
        "max_groups=x",
        "max_groups=-1",
        "max_message_size=1k",
        "max_groups=99999999999",
        "max_storage_size=18446744073709551616",
    ] {
        assert_eq!(load(params), Err(EINVAL), "{params}");
    }
    assert!(!is_loaded());
    assert!(!Path::new("/sys/class/groups").exists());
    load("").unwrap();
}

fn install_sh_and_remove_sh_can_be_run_twice() {
    for _ in 0..2 {
        let (ok, text) = script("remove.sh");
        assert!(ok, "remove.sh: {text}");
        assert!(!is_loaded());
        assert!(fs::symlink_metadata("/dev/synch/group0").is_err());
    }
    for _ in 0..2 {
        let (ok, text) = script("install.sh");
        assert!(ok, "install.sh: {text}");
        // When it returns, everything is there.
        group0().send("at once");
        assert_eq!(group0().receive(), b"at once");
    }
}

/// Whether `udevadm settle` runs.
fn somebody_waits_for_udev() -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|process| {
        let arguments = fs::read(process.path().join("cmdline"));
        arguments.is_ok_and(|arguments| arguments.starts_with(b"udevadm\0settle\0"))
    })
}

/// Or udev may take `/dev/synch` away from below the new link, see [`load`].
fn install_sh_waits_until_udev_is_done_with_an_earlier_module() {
    const BUSY: &str = "/run/busy";
    const RULE: &str = "/run/udev/rules.d/00-busy.rules";
    // udev has to do with the second group until it is told otherwise.
    let rule = format!(
        "SUBSYSTEM==\"groups\", ACTION==\"remove\", KERNEL!=\"group0\", \
         PROGRAM=\"/bin/sh -c 'while [ -e {BUSY} ]; do sleep 0.1; done'\"\n"
    );
    let reload = || {
        let mut reload = Command::new("udevadm");
        let status = reload.args(["control", "--reload"]).status();
        assert!(status.expect("udevadm").success());
    };
    let link = Group::new().path();
    File::create(BUSY).unwrap();
    fs::write(RULE, rule).unwrap();
    reload();
    unload();
    let install = std::thread::spawn(|| script("install.sh"));
    wait_until("install.sh waits for udev", somebody_waits_for_udev);
    let early = is_loaded();
    let busy = fs::symlink_metadata(link).is_ok();
    fs::remove_file(BUSY).unwrap();
    let (ok, text) = install.join().unwrap();
    fs::remove_file(RULE).unwrap();
    reload();
    assert!(ok, "install.sh: {text}");
    assert!(busy, "udev was not");
    assert!(!early, "loaded before udev was done");
}

fn remove_sh_says_who_keeps_the_module() {
    let device = group0();
    let (ok, text) = script("remove.sh");
    assert!(!ok, "{text}");
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    assert!(is_loaded());
    device.send("still here");
    assert_eq!(group0().receive(), b"still here");
    drop(device);
    let (ok, text) = script("remove.sh");
    assert!(ok, "{text}");
}

fn all_2000_groups_have_their_symlink_and_the_next_is_EDQUOT() {
    const MAX: u32 = 2000;
    let max = work(MAX as usize) as u32;
    let (ok, text) = script("remove.sh");
    assert!(ok, "{text}");
    let limit = (max < MAX).then(|| format!("max_groups={max}"));
    let (ok, text) = script_with("install.sh", limit.as_slice());
    assert!(ok, "{text}");
    let device = group0();
    let id = |number: u32| format!("number {number}");
    for number in 1..max {
        let mut raw = RawGroup::new(id(number));
        assert_eq!(install(&device, INSTALL_GROUP, &mut raw), Ok(1));
        assert_eq!(raw.devname(), format!("group{number}"));
    }
    let mut one_more = RawGroup::new(id(max));
    assert_eq!(install(&device, INSTALL_GROUP, &mut one_more), Err(EDQUOT));
    // Each can still be found, and used.
    for number in (1..max).step_by(97) {
        let mut raw = RawGroup::new(id(number));
        assert_eq!(install(&device, INSTALL_GROUP, &mut raw), Ok(0));
        assert_eq!(raw.devname(), format!("group{number}"));
    }
    drop(device);
    wait_for_links(max as usize);
    for number in 0..max {
        let link = format!("/dev/synch/group{number}");
        let target = fs::canonicalize(&link).unwrap_or_else(|err| panic!("{link}: {err}"));
        assert_eq!(target, Path::new(&format!("/dev/group{number}")));
    }
    let last = format!("/dev/synch/group{}", max - 1);
    let last = Device::open(&last, true, true).unwrap();
    last.send("the last");
    assert_eq!(last.receive(), b"the last");
    drop(last);
    unload();
    assert_eq!(
        fs::read_dir("/dev")
            .unwrap()
            .flatten()
            .filter(is_group)
            .count(),
        0
    );
    wait_for_links(0);
}

fn is_group(entry: &fs::DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b"group")
}

/// Waits until there are so many symlinks; fails when udev makes no progress.
fn wait_for_links(wanted: usize) {
    let count = || {
        let entries = fs::read_dir("/dev/synch");
        entries.map_or(0, |entries| entries.flatten().filter(is_group).count())
    };
    let mut last = count();
    while last != wanted {
        wait_until("another symlink comes or goes", || count() != last);
        last = count();
    }
}
