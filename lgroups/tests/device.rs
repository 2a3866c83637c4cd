// SPDX-License-Identifier: GPL-2.0

//! The library with the module: the report's nine tests, and what Rust has beyond C.
//!
//! They need the module, and to be root; `vm.sh` runs them.

use lgroups::{Awoken, Error, Group, Limits, Stage};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Barrier, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// A group that no other process, and no other test, knows.
fn new(name: &str) -> Group {
    let group = Group::install(id(name)).expect("install");
    assert!(group.was_made());
    group
}

fn id(name: &str) -> String {
    format!("rust-{name}-{}", std::process::id())
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Returns when so many threads of this process are in the ioctl that sleeps.
fn await_sleepers(number: usize) {
    let sleeps = |task: std::io::Result<std::fs::DirEntry>| {
        let call = std::fs::read_to_string(task.expect("task").path().join("syscall"));
        // SLEEP_ON_BARRIER is the second argument; where the thread is running, there is none.
        call.is_ok_and(|call| call.split(' ').nth(2) == Some("0x7801"))
    };
    let sleepers = || {
        let tasks = std::fs::read_dir("/proc/self/task").expect("tasks");
        tasks.filter_map(|task| sleeps(task).then_some(())).count()
    };
    while sleepers() < number {
        thread::sleep(ms(1));
    }
}

#[test]
#[ignore = "is about a system without the module"]
fn without_the_module() {
    for result in [
        Group::install("kitchen").map(|_| ()),
        Group::find("kitchen").map(|_| ()),
        lgroups::list().map(|_| ()),
    ] {
        let err = result.expect_err("there is no module");
        assert!(matches!(err, Error::NotLoaded { .. }), "{err:?}");
        assert!(err.to_string().contains("scripts/install.sh"), "{err}");
        assert_eq!(err.errno(), 2);
    }
}

#[test]
#[ignore = "needs the module"]
fn install_group() {
    let id = id("install");
    let first = Group::install(&id).expect("install");
    let second = Group::install(&id).expect("install");
    assert!(first.was_made());
    assert!(!second.was_made());
    assert_eq!(first.device_name(), second.device_name());
    for folder in ["/dev", "/dev/synch"] {
        let path = std::path::Path::new(folder).join(first.device_name());
        assert!(path.exists(), "{path:?}");
    }
    // udev runs here, and was waited for.
    assert_eq!(first.path().parent(), Some("/dev/synch".as_ref()));
}

#[test]
#[ignore = "needs the module"]
fn rw_fifo() {
    const EACH: u64 = 500;
    let group = new("fifo");
    let sent = Mutex::new(Vec::new());
    let received = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for writer in 0..2 {
            let (group, sent) = (&group, &sent);
            scope.spawn(move || {
                for n in 0..EACH {
                    let message = format!("{writer} {n}").into_bytes();
                    let mut sent = sent.lock().expect("lock");
                    loop {
                        match group.send(&message) {
                            Ok(()) => break,
                            Err(Error::StorageFull) => thread::sleep(ms(1)),
                            Err(err) => panic!("{err}"),
                        }
                    }
                    sent.push(message);
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..EACH {
                    let mut received = received.lock().expect("lock");
                    let message = group.receive_timeout(ms(20_000)).expect("receive");
                    received.push(message.expect("a message"));
                }
            });
        }
    });
    assert!(*sent.lock().expect("lock") == *received.lock().expect("lock"));
    assert_eq!(group.receive().expect("receive"), None);
}

#[test]
#[ignore = "needs the module"]
fn sysfs() {
    let group = new("sysfs");
    let before = group.limits().expect("limits");
    let default = Limits {
        max_message_size: 100,
        max_storage_size: 10_000,
    };
    assert_eq!(before, default);
    let limits = Limits {
        max_message_size: 200,
        max_storage_size: 2100,
    };
    group.set_limits(limits).expect("set_limits");
    assert_eq!(group.limits().expect("limits"), limits);

    let refused = group.send(&[1; 201]);
    assert!(matches!(refused, Err(Error::MessageTooLarge { size: 201 })));
    for _ in 0..10 {
        group.send(&[1; 200]).expect("send");
    }
    assert!(matches!(group.send(&[1; 200]), Err(Error::StorageFull)));
    group.send(&[1; 100]).expect("there are 100 bytes left");
    assert!(matches!(group.send(&[1]), Err(Error::StorageFull)));
    assert!(matches!(group.send(&[]), Err(Error::EmptyMessage)));
    assert!(matches!(
        group.send(&[0]),
        Err(Error::EmptyMessage | Error::StorageFull)
    ));
}

#[test]
#[ignore = "needs the module"]
fn barrier() {
    const SLEEPERS: usize = 3;
    let group = new("barrier");
    let together = Barrier::new(SLEEPERS + 1);
    thread::scope(|scope| {
        for _ in 0..SLEEPERS {
            scope.spawn(|| {
                for _ in 0..10 {
                    group.barrier().sleep().expect("sleep");
                    together.wait();
                    together.wait();
                }
            });
        }
        for _ in 0..10 {
            await_sleepers(SLEEPERS);
            assert_eq!(group.barrier().awake().expect("awake"), Awoken::Now);
            together.wait();
            assert_eq!(group.barrier().awake().expect("awake"), Awoken::Nobody);
            together.wait();
        }
    });
}

#[test]
#[ignore = "needs the module"]
fn delay() {
    let group = new("delay");
    let delay = ms(700);
    group.set_delay(delay).expect("set_delay");
    let start = Instant::now();
    group.send(b"late").expect("send");
    let message = group.receive_timeout(ms(20_000)).expect("receive");
    assert!(start.elapsed() >= delay, "after {:?}", start.elapsed());
    assert_eq!(message.as_deref(), Some(&b"late"[..]));

    group.set_delay(Duration::ZERO).expect("set_delay");
    group.send(b"now").expect("send");
    assert!(group.receive().expect("receive").is_some());
    assert!(matches!(
        group.set_delay(Duration::MAX),
        Err(Error::Os { .. })
    ));
}

#[test]
#[ignore = "needs the module"]
fn revoke() {
    let group = new("revoke");
    let delay = ms(500);
    loop {
        while group.receive().expect("receive").is_some() {}
        group.set_delay(delay).expect("set_delay");
        let start = Instant::now();
        for n in 0..10 {
            group.send(&[b'x', n]).expect("send");
        }
        group.revoke().expect("revoke");
        // Otherwise this machine was too busy to revoke in time.
        if start.elapsed() < delay {
            break;
        }
    }
    assert_eq!(group.receive_timeout(2 * delay).expect("receive"), None);
}

#[test]
#[ignore = "needs the module"]
fn flush() {
    let group = new("flush");
    group.set_delay(ms(60_000)).expect("set_delay");
    let send_all = || {
        for n in 1..=10 {
            group.send(&[n]).expect("send");
        }
        assert_eq!(group.receive().expect("receive"), None);
    };
    let receive_all = || {
        for n in 1..=10 {
            assert_eq!(group.receive().expect("receive"), Some(vec![n]));
        }
    };
    send_all();
    group.flush().expect("flush");
    receive_all();

    send_all();
    drop(Group::install(id("flush")).expect("install"));
    receive_all();
}

#[test]
#[ignore = "needs the module"]
fn stress() {
    let groups: Vec<_> = (0..4).map(|n| new(&format!("stress{n}"))).collect();
    let (sent, received) = (AtomicU64::new(0), AtomicU64::new(0));
    let working = AtomicUsize::new(7);
    let end = Instant::now() + ms(3000);
    thread::scope(|scope| {
        let work = |seed: u32| {
            let mut random = seed;
            let mut next = |below: u32| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (random >> 16) % below
            };
            while Instant::now() < end {
                let group = &groups[next(4) as usize];
                match next(6) {
                    0 => match group.send(&[7; 50]) {
                        Ok(()) => drop(sent.fetch_add(1, SeqCst)),
                        Err(Error::StorageFull) => {}
                        Err(err) => panic!("{err}"),
                    },
                    1 => {
                        if let Some(message) = group.receive().expect("receive") {
                            assert_eq!(message, [7; 50]);
                            received.fetch_add(1, SeqCst);
                        }
                    }
                    2 => group.set_delay(ms(next(2).into())).expect("set_delay"),
                    3 => group.flush().expect("flush"),
                    4 => group.barrier().sleep().expect("sleep"),
                    _ => drop(Group::install(id("stress0")).expect("install")),
                }
            }
            working.fetch_sub(1, SeqCst);
        };
        for seed in 0..7 {
            scope.spawn(move || work(seed));
        }
        while working.load(SeqCst) > 0 {
            for group in &groups {
                group.barrier().awake().expect("awake");
            }
            thread::sleep(ms(1));
        }
    });
    // Nothing was revoked, so each that was sent is there exactly once.
    for group in &groups {
        group.flush().expect("flush");
        while group.receive().expect("receive").is_some() {
            received.fetch_add(1, SeqCst);
        }
    }
    assert_eq!(sent.load(SeqCst), received.load(SeqCst));
}

#[test]
#[ignore = "needs the module"]
fn max_install() {
    // To be run last, for it leaves no number.
    let mut groups = Vec::new();
    let err = loop {
        match Group::install(id(&format!("max{}", groups.len()))) {
            Ok(group) => groups.push(group),
            Err(err) => break err,
        }
    };
    assert!(matches!(err, Error::NoGroupsLeft), "{err:?}");
    assert!(err.to_string().contains("max_groups"));
    let group = Group::install("groups").expect("it is there");
    assert_eq!(group.device_name(), "group0");
    assert!(!group.was_made());
}

#[test]
#[ignore = "needs the module"]
fn a_group_is_found_only_if_it_is_there() {
    let id = id("find");
    assert!(Group::find(&id).expect("find").is_none());
    let group = Group::install(&id).expect("install");
    let found = Group::find(&id).expect("find").expect("it is there");
    assert_eq!(found.device_name(), group.device_name());
    assert!(!found.was_made());
    assert!(matches!(Group::find(""), Err(Error::InvalidId)));
    assert!(matches!(Group::install([b'x'; 33]), Err(Error::InvalidId)));
}

#[test]
#[ignore = "needs the module"]
fn ids_are_bytes() {
    for id in [
        &b"\xff\xfe\n"[..],
        b"\n",
        b" ",
        &[0x80; 32],
        "Küche".as_bytes(),
    ] {
        let group = Group::install(id).expect("install");
        let list = lgroups::list().expect("list");
        let info = list.iter().find(|info| info.id == id);
        let info = info.unwrap_or_else(|| panic!("{id:?} is not in {list:?}"));
        assert_eq!(info.device_name(), group.device_name());
        assert_eq!(info.limits, group.limits().expect("limits"));
        assert!(Group::find(id).expect("find").is_some());
    }
    assert_eq!(lgroups::list().expect("list")[0].id, b"groups");
}

#[test]
#[ignore = "needs the module"]
fn a_message_is_received_whole_whatever_its_size() {
    let group = new("whole");
    let limits = Limits {
        max_message_size: 8 << 20,
        max_storage_size: 32 << 20,
    };
    group.set_limits(limits).expect("set_limits");
    for size in [1, 4095, 4096, 4097, 100_000, 3 << 20, 8 << 20] {
        let message: Vec<u8> = (0..size).map(|n: u32| (n % 251) as u8 + 1).collect();
        group.send(&message).expect("send");
        // The limit does not count for what is there already.
        group
            .set_limits(Limits {
                max_message_size: 1,
                ..limits
            })
            .expect("set_limits");
        assert_eq!(group.first_size().expect("first_size"), Some(size as usize));
        let received = group.receive().expect("receive").expect("a message");
        assert!(received == message, "{size} bytes");
        group.set_limits(limits).expect("set_limits");
    }
    assert_eq!(group.first_size().expect("first_size"), None);
}

#[test]
#[ignore = "needs the module"]
fn what_does_not_fit_into_the_buffer_is_lost() {
    let group = new("into");
    group.send(b"a long message").expect("send");
    group.send(b"next").expect("send");
    assert_eq!(
        group.receive_into(&mut []).expect("receive"),
        Some(&b""[..])
    );
    assert_eq!(
        group.receive_into(&mut [0; 6]).expect("receive"),
        Some(&b"a long"[..])
    );
    assert_eq!(
        group.receive_into(&mut [0; 6]).expect("receive"),
        Some(&b"next"[..])
    );
    assert_eq!(group.receive_into(&mut [0; 6]).expect("receive"), None);
}

#[test]
#[ignore = "needs the module"]
fn receivers_wait_as_long_as_they_want() {
    let group = new("wait");
    let start = Instant::now();
    assert_eq!(group.receive_timeout(ms(50)).expect("receive"), None);
    assert!(start.elapsed() >= ms(50));
    group
        .set_receive_timeout(Some(ms(50)))
        .expect("set_receive_timeout");
    let start = Instant::now();
    assert_eq!(group.receive().expect("receive"), None);
    assert!(start.elapsed() >= ms(50));

    // A call that has a timeout of its own does not care for the other one.
    group
        .set_receive_timeout(None)
        .expect("set_receive_timeout");
    assert_eq!(group.receive_timeout(ms(50)).expect("receive"), None);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| group.receive());
        let other = scope.spawn(|| group.receive_timeout(Duration::MAX));
        thread::sleep(ms(50));
        group.send(b"one").expect("send");
        group.send(b"two").expect("send");
        let mut both = [waiter, other].map(|waiter| {
            let received = waiter.join().expect("join").expect("receive");
            received.expect("a message")
        });
        both.sort();
        assert_eq!(both, [b"one", b"two"]);
    });
}

#[test]
#[ignore = "needs the module"]
fn limits_are_set_both_or_none() {
    let group = new("both");
    let before = group.limits().expect("limits");
    // As this thread sees it, the second file refuses everything.
    thread::scope(|scope| {
        scope.spawn(|| {
            private_mounts();
            let path = format!("/sys/class/groups/{}/max_storage_size", group.device_name());
            rustix::mount::mount_bind("/dev/full", path).expect("mount");
            let limits = Limits {
                max_message_size: 50,
                max_storage_size: 500,
            };
            let err = group.set_limits(limits).expect_err("it is full");
            assert!(
                matches!(
                    err,
                    Error::Attribute {
                        stage: Stage::Write,
                        ..
                    }
                ),
                "{err:?}"
            );
        });
    });
    assert_eq!(group.limits().expect("limits"), before);
}

#[test]
#[ignore = "needs the module"]
fn only_root_sets_limits() {
    let group = new("limits");
    let before = group.limits().expect("limits");
    thread::scope(|scope| {
        scope.spawn(|| {
            let nobody = rustix::thread::Uid::from_raw(65534);
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).expect("setresuid");
            let err = group.set_limits(before).expect_err("only root may");
            assert!(matches!(err, Error::Attribute { .. }));
            assert!(err.to_string().contains("only root"), "{err}");
            // Everything else anybody may.
            let mine = Group::install(id("limits")).expect("install");
            mine.send(b"x").expect("send");
            assert!(mine.receive().expect("receive").is_some());
        });
    });
    assert_eq!(group.limits().expect("limits"), before);
}

#[test]
#[ignore = "needs the module"]
fn dropping_the_last_group_releases_the_module() {
    let users = || std::fs::read_to_string("/sys/module/groups/refcnt").expect("refcnt");
    assert_eq!(users().trim(), "0", "does another test run?");
    let group = new("users");
    let fd = group.as_fd().try_clone_to_owned().expect("dup");
    assert_ne!(users().trim(), "0");
    drop(group);
    drop(fd);
    assert_eq!(users().trim(), "0");
}

#[test]
#[ignore = "needs the module"]
fn without_udev_the_module_s_own_node_is_used() {
    // A file system of this thread's own, in which udev's socket is hidden and its link is not
    // made: for that, its folder is another one.
    let (sender, receiver) = mpsc::channel();
    let started = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            private_mounts();
            mount_empty("/run/udev");
            mount_empty("/dev/synch");
            started.store(true, SeqCst);
            let start = Instant::now();
            sender
                .send((new("no-udev"), start.elapsed()))
                .expect("send");
            // A udev that makes no link is waited for, but not for long.
            std::fs::write("/run/udev/control", "").expect("write");
            let start = Instant::now();
            sender
                .send((new("slow-udev"), start.elapsed()))
                .expect("send");
        });
        let (group, _) = receiver.recv().expect("recv");
        assert_eq!(group.path().parent(), Some("/dev".as_ref()));
        let (group, time) = receiver.recv().expect("recv");
        assert_eq!(group.path().parent(), Some("/dev".as_ref()));
        assert!(time >= ms(1000), "{time:?}");
        assert!(time < ms(20_000), "{time:?}");
    });
    assert!(started.load(SeqCst));
}

#[test]
#[ignore = "needs the module"]
fn a_link_that_comes_late_is_waited_for() {
    thread::scope(|scope| {
        scope.spawn(|| {
            private_mounts();
            mount_empty("/dev/synch");
            let id = id("late");
            let first = Group::install("groups").expect("install");
            assert_eq!(first.path().parent(), Some("/dev".as_ref()));
            // What udev would do.
            let next = lgroups::list().expect("list").len();
            let link = format!("/dev/synch/group{next}");
            let target = format!("../group{next}");
            scope.spawn(move || {
                thread::sleep(ms(100));
                std::os::unix::fs::symlink(target, link).expect("symlink");
            });
            let group = Group::install(&id).expect("install");
            assert_eq!(group.path().parent(), Some("/dev/synch".as_ref()));
        });
    });
}

/// What this thread mounts from now on, other threads do not see; those that it starts do.
fn private_mounts() {
    use rustix::mount::{MountPropagationFlags, mount_change};
    use rustix::thread::{UnshareFlags, unshare_unsafe};
    // SAFETY: No file descriptors are unshared.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::FS) }.expect("unshare");
    let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", flags).expect("mount");
}

fn mount_empty(path: &str) {
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("none", path, "tmpfs", flags, None).expect("mount");
}
