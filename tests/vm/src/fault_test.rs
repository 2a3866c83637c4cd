// SPDX-License-Identifier: GPL-2.0

//! What happens when a program's memory is not there: on the way in, on the way out, for good or
//! for a while.

use crate::calls::{ms, now_ns};
use crate::group::{DEFAULT_STORAGE, Group, fresh_id, group0};
use crate::harness::Test;
use crate::process::{await_stop, spawn, wait_until};
use crate::sys::{self, BAD_ADDRESSES, Cliff, INSTALL_GROUP, PAGE, RawGroup, shared};
use crate::test;
use crate::userfault::{AbsentPages, FILLING, SlowPage, stuck, stuck_until};
use nix::errno::Errno::*;
use nix::poll::PollTimeout;
use nix::sys::mman::ProtFlags;
use nix::sys::signal::{Signal, kill};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// A small message and a large one: the module stores them in different ways.
const SIZES: [usize; 2] = [100, 2000];

pub const TESTS: &[Test] = &[
    test!(write_from_nowhere_is_EFAULT),
    test!(a_fault_anywhere_in_a_written_buffer_stores_nothing),
    test!(a_fault_deep_in_a_large_written_buffer_stores_nothing),
    test!(read_into_nowhere_is_EFAULT_and_keeps_the_message),
    test!(a_fault_anywhere_in_a_read_buffer_keeps_the_whole_message),
    test!(a_fault_deep_in_a_large_read_buffer_keeps_the_whole_message),
    test!(a_message_that_fits_in_front_of_the_fault_is_read),
    test!(a_message_put_back_is_first_and_still_takes_its_room),
    test!(messages_put_back_by_many_readers_keep_their_order),
    test!(a_read_whose_memory_comes_and_goes_loses_no_message),
    test!(a_write_that_waits_for_its_memory_stops_nobody_else),
    test!(a_read_that_waits_for_its_memory_stops_nobody_else),
    test!(an_install_that_waits_for_its_memory_stops_nobody_else),
    test!(a_writer_killed_while_it_waits_gives_its_room_back),
    test!(a_reader_killed_while_it_waits_leaves_its_message_first),
    test!(a_sender_whose_memory_takes_a_second_is_waited_for_by_nobody),
    test!(a_reader_stopped_in_the_middle_of_a_read_stops_nobody_else),
    test!(a_sender_stopped_in_the_middle_of_a_write_stops_nobody_else),
    test!(a_reader_stopped_and_killed_in_the_middle_leaves_its_message_first),
];

fn write_from_nowhere_is_EFAULT() {
    let device = Group::new().open();
    for address in BAD_ADDRESSES {
        for n in [1, 2, 99, 100] {
            let result = sys::write_at(&device, address as *const u8, n);
            assert_eq!(result, Err(EFAULT), "{n} bytes at {address:#x}");
        }
    }
    device.assert_empty();
    device.assert_room(DEFAULT_STORAGE);
}

fn a_fault_anywhere_in_a_written_buffer_stores_nothing() {
    let device = Group::new().open();
    let mut cliff = Cliff::new(100, ProtFlags::PROT_NONE);
    cliff.bytes(100).fill(b'm');
    for mapped in 0..100 {
        let result = sys::write_at(&device, cliff.before(mapped), 100);
        assert_eq!(result, Err(EFAULT), "{mapped} bytes mapped");
        device.assert_empty();
    }
    assert_eq!(sys::write_at(&device, cliff.before(100), 100), Ok(100));
    assert_eq!(device.receive(), [b'm'; 100]);
    device.assert_room(DEFAULT_STORAGE);
}

fn a_fault_deep_in_a_large_written_buffer_stores_nothing() {
    const SIZE: usize = 1 << 20;
    let device = Group::with_limits(SIZE, SIZE).open();
    let cliff = Cliff::new(SIZE, ProtFlags::PROT_NONE);
    for mapped in [
        1,
        PAGE - 1,
        PAGE,
        PAGE + 1,
        SIZE / 2 + 7,
        SIZE - PAGE,
        SIZE - 1,
    ] {
        let result = sys::write_at(&device, cliff.before(mapped), SIZE);
        assert_eq!(result, Err(EFAULT), "{mapped} bytes mapped");
        device.assert_empty();
    }
    // All of the room is there: the message fills it.
    assert_eq!(sys::write_at(&device, cliff.before(SIZE), SIZE), Ok(SIZE));
    assert_eq!(device.write(b"m"), Err(ENOSPC));
}

fn read_into_nowhere_is_EFAULT_and_keeps_the_message() {
    let device = Group::new().open();
    device.send("message");
    for address in BAD_ADDRESSES {
        for n in [1, 7, 100] {
            // SAFETY: Nothing is mapped there.
            let result = unsafe { sys::read_at(&device, address as *mut u8, n) };
            assert_eq!(result, Err(EFAULT), "{n} bytes at {address:#x}");
        }
    }
    assert_eq!(device.receive(), b"message");
    device.assert_empty();
}

fn a_fault_anywhere_in_a_read_buffer_keeps_the_whole_message() {
    let device = Group::new().open();
    let message: Vec<u8> = (100..200).collect();
    device.send(&message);
    device.send("second");
    for protection in [ProtFlags::PROT_NONE, ProtFlags::PROT_READ] {
        let cliff = Cliff::new(100, protection);
        for writable in 0..100 {
            // SAFETY: What can be written there is the cliff's.
            let result = unsafe { sys::read_at(&device, cliff.before(writable), 100) };
            assert_eq!(result, Err(EFAULT), "{writable} bytes writable");
        }
    }
    assert_eq!(device.receive(), message);
    assert_eq!(device.receive(), b"second");
    device.assert_room(DEFAULT_STORAGE);
}

fn a_fault_deep_in_a_large_read_buffer_keeps_the_whole_message() {
    const SIZE: usize = 1 << 20;
    let device = Group::with_limits(SIZE, SIZE).open();
    let message: Vec<u8> = (0..SIZE).map(|i| (i % 253) as u8).collect();
    device.send(&message);
    let cliff = Cliff::new(SIZE, ProtFlags::PROT_NONE);
    for writable in [1, PAGE - 1, PAGE, PAGE + 1, SIZE / 2 + 7, SIZE - 1] {
        // SAFETY: What can be written there is the cliff's.
        let result = unsafe { sys::read_at(&device, cliff.before(writable), SIZE) };
        assert_eq!(result, Err(EFAULT), "{writable} bytes writable");
    }
    assert!(device.read(SIZE).unwrap() == message);
    device.assert_empty();
}

fn a_message_that_fits_in_front_of_the_fault_is_read() {
    let device = Group::new().open();
    let mut cliff = Cliff::new(100, ProtFlags::PROT_NONE);
    for message in ["fits", "fits as well"] {
        device.send(message);
        let n = message.len();
        // SAFETY: What can be written there is the cliff's.
        let result = unsafe { sys::read_at(&device, cliff.before(n), 100) };
        assert_eq!(result, Ok(n));
        assert_eq!(cliff.bytes(n), message.as_bytes());
    }
}

fn a_message_put_back_is_first_and_still_takes_its_room() {
    let device = Group::new().open();
    for number in 0..100u8 {
        device.send([number; 100]);
    }
    for number in 0..100u8 {
        // SAFETY: Nothing is mapped there.
        let result = unsafe { sys::read_at(&device, 8 as *mut u8, 100) };
        assert_eq!(result, Err(EFAULT));
        assert_eq!(device.write(b"m"), Err(ENOSPC));
        assert_eq!(device.receive(), [number; 100]);
        device.send([number; 100]);
    }
    for number in 0..100u8 {
        assert_eq!(device.receive(), [number; 100]);
    }
    device.assert_room(DEFAULT_STORAGE);
}

/// Readers that fail take messages out and put them back while nobody takes any for good: the
/// order in the end is that of the beginning.
fn messages_put_back_by_many_readers_keep_their_order() {
    for size in SIZES {
        let group = Group::with_limits(size, 100 * size);
        let device = group.open();
        for number in 0..100u8 {
            device.send(vec![number; size]);
        }
        let children = [(); 4].map(|()| {
            spawn(|| {
                let device = group.open();
                for _ in 0..2500 {
                    // SAFETY: Nothing is mapped there.
                    match unsafe { sys::read_at(&device, 8 as *mut u8, size) } {
                        Err(EFAULT) => {}
                        result => panic!("{result:?}"),
                    }
                }
            })
        });
        children.map(|child| child.join());
        for number in 0..100u8 {
            assert_eq!(device.read(size), Ok(vec![number; size]));
        }
        device.assert_room(100 * size);
    }
}

/// A read into two pages, of which one goes whenever the other comes; until they came so often.
/// However often that is, and whether somebody else takes the first message in the end: the read
/// delivers a message, or fails and leaves it.
fn a_read_whose_memory_comes_and_goes_loses_no_message() {
    let [small, large] = SIZES;
    let group = Group::with_limits(large, DEFAULT_STORAGE);
    let device = group.open();
    let messages = [vec![1; small], vec![2; large]];
    for times in 1..=20 {
        for is_overtaken in [false, true] {
            messages.iter().for_each(|message| device.send(message));
            let pages = AbsentPages::new(2);
            // The first message is in both pages.
            let (buffer, size) = (pages.in_front(1, small / 2), large + small / 2);
            let mut received = vec![];
            let result = std::thread::scope(|scope| {
                // SAFETY: The pages are not used otherwise.
                let reader = scope.spawn(|| unsafe {
                    sys::read_at(group.open(), pages.in_front(1, small / 2), size)
                });
                let mut came = 0;
                while !reader.is_finished() {
                    let Some(page) = pages.wait_for_a_fault(PollTimeout::from(5u8)) else {
                        continue;
                    };
                    came += page;
                    if came < times || page == 0 {
                        pages.take_away(1 - page);
                    } else if is_overtaken && received.is_empty() {
                        received.push(device.read(large).unwrap());
                    }
                    pages.fill(page, FILLING);
                }
                reader.join().unwrap()
            });
            match result {
                // SAFETY: So much was written there, so the pages are there.
                Ok(n) => received.push(unsafe { std::slice::from_raw_parts(buffer, n) }.to_vec()),
                Err(err) => assert_eq!(err, EFAULT),
            }
            received.extend(device.drain_up_to(large));
            assert!(
                received == messages,
                "the memory came {times} times, the read returned {result:?}, \
                 messages of these sizes were received: {:?}",
                received.iter().map(Vec::len).collect::<Vec<_>>()
            );
        }
    }
    device.assert_all_room();
}

fn a_write_that_waits_for_its_memory_stops_nobody_else() {
    let group = Group::new();
    let (device, slow) = (group.open(), SlowPage::new());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| sys::write_at(group.open(), slow.page(), 100));
        slow.wait_for_a_fault();
        // Everything goes on, but for the room that the message will take.
        device.send("first");
        device.send("second");
        assert_eq!(device.receive(), b"first");
        assert_eq!(Group::install(&group.id).0, 0);
        assert_eq!(group.get("max_message_size"), b"100\n");
        device.assert_room(DEFAULT_STORAGE - 100 - "second".len());
        slow.fill(b's');
        assert_eq!(writer.join().unwrap(), Ok(100));
    });
    let is_slow = |message: &Vec<u8>| *message == [b's'; 100];
    assert_eq!(device.drain().into_iter().filter(is_slow).count(), 1);
    device.assert_room(DEFAULT_STORAGE);
}

fn a_read_that_waits_for_its_memory_stops_nobody_else() {
    for size in SIZES {
        let group = Group::with_limits(size, DEFAULT_STORAGE);
        let (device, slow) = (group.open(), SlowPage::new());
        let messages = [vec![1; size], vec![2; size], vec![3; size]];
        device.send(&messages[0]);
        device.send(&messages[1]);
        std::thread::scope(|scope| {
            // SAFETY: The page is not used otherwise.
            let reader = scope.spawn(|| unsafe { sys::read_at(group.open(), slow.page(), size) });
            slow.wait_for_a_fault();
            device.send(&messages[2]);
            let others = device.drain_up_to(size);
            slow.fill(b'.');
            // It may have the first message in hand, or leave it to others while it waits.
            match reader.join().unwrap() {
                Ok(0) => assert_eq!(others, messages),
                result => {
                    assert_eq!(result, Ok(size));
                    assert_eq!(others, messages[1..]);
                }
            }
        });
        device.assert_empty();
        device.assert_room(DEFAULT_STORAGE);
    }
}

fn an_install_that_waits_for_its_memory_stops_nobody_else() {
    // The id is in memory, devname is not.
    let id = fresh_id();
    let slow = SlowPage::new();
    // SAFETY: These bytes are in front of the page, where nothing else is.
    unsafe { std::ptr::copy(RawGroup::new(&id).id.as_ptr(), slow.in_front(32), 32) };
    std::thread::scope(|scope| {
        let installer = scope.spawn(|| {
            // SAFETY: What is there is not used otherwise.
            unsafe { sys::ioctl(group0(), INSTALL_GROUP, slow.in_front(32) as usize) }
        });
        slow.wait_for_a_fault();
        let (made, group) = Group::install(&id);
        // Whoever was first made it; the other finds it.
        group.open().send("there");
        Group::new().open().send("others");
        slow.fill(0);
        let other = installer.join().unwrap().unwrap();
        assert_eq!(made + other, 1);
    });
}

fn a_writer_killed_while_it_waits_gives_its_room_back() {
    let group = Group::new();
    let device = group.open();
    let child = stuck(|page| {
        let _ = sys::write_at(group.open(), page, 100);
    });
    device.assert_room(DEFAULT_STORAGE - 100);
    child.kill();
    device.drain();
    device.assert_room(DEFAULT_STORAGE);
}

fn a_reader_killed_while_it_waits_leaves_its_message_first() {
    for size in SIZES {
        let group = Group::with_limits(size, DEFAULT_STORAGE);
        let device = group.open();
        device.send(vec![1; size]);
        device.send(vec![2; size]);
        let child = stuck(|page| {
            // SAFETY: The page is not used otherwise.
            let _ = unsafe { sys::read_at(group.open(), page, size) };
        });
        child.kill();
        assert_eq!(device.drain_up_to(size), [vec![1; size], vec![2; size]]);
        device.assert_empty();
        device.assert_room(DEFAULT_STORAGE);
    }
}

/// For a second two processes send and receive, at once and with a delay, while a sender waits for
/// its memory: promise 7.
fn a_sender_whose_memory_takes_a_second_is_waited_for_by_nobody() {
    let group = Group::new();
    let (device, slow) = (group.open(), SlowPage::new());
    let words = shared(2);
    let (end, exchanged) = (&words[0], &words[1]);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| sys::write_at(group.open(), slow.page(), 100));
        slow.wait_for_a_fault();
        let start = now_ns();
        let sender = scope.spawn(|| {
            let device = group.open();
            while end.load(SeqCst) == 0 {
                match device.write("message") {
                    Ok(7) | Err(ENOSPC) => {}
                    result => panic!("write: {result:?}"),
                }
            }
        });
        let receiver = scope.spawn(|| {
            let device = group.open().waiting();
            while end.load(SeqCst) == 0 {
                assert_eq!(device.receive(), b"message");
                exchanged.fetch_add(1, SeqCst);
            }
        });
        for delay in [0, 1, 5] {
            device.set_delay(delay);
            // The first ones may be from before.
            let before = exchanged.load(SeqCst) + 200;
            wait_until("messages are exchanged", || exchanged.load(SeqCst) > before);
        }
        device.set_delay(0);
        std::thread::sleep(Duration::from_nanos(
            (start + ms(1000)).saturating_sub(now_ns()),
        ));
        assert!(!writer.is_finished());
        // The receiver needs a message to see that it is the end.
        end.store(1, SeqCst);
        sender.join().unwrap();
        while !receiver.is_finished() {
            let _ = device.write("message");
            std::thread::yield_now();
        }
        receiver.join().unwrap();
        device.flush();
        assert!(device.drain().iter().all(|message| message == b"message"));
        slow.fill(b's');
        assert_eq!(writer.join().unwrap(), Ok(100));
    });
    assert_eq!(device.receive(), [b's'; 100]);
    device.assert_all_room();
}

fn a_reader_stopped_in_the_middle_of_a_read_stops_nobody_else() {
    // A large message is the reader's while it is copied; a small one is for others meanwhile.
    let [small, large] = SIZES;
    for (size, keeps) in [(small, false), (large, true)] {
        let group = Group::with_limits(size, DEFAULT_STORAGE);
        let device = group.open();
        let message = |number: u8| vec![number; size];
        for number in 1..=3 {
            device.send(message(number));
        }
        let fill = &shared(1)[0];
        let child = stuck_until(fill, |page| {
            // SAFETY: The page is not used otherwise.
            let result = unsafe { sys::read_at(group.open(), page, size) };
            assert_eq!(result, Ok(if keeps { size } else { 0 }));
        });
        kill(child.pid(), Signal::SIGSTOP).unwrap();
        for number in (if keeps { 2 } else { 1 })..=3 {
            assert_eq!(device.read(size), Ok(message(number)));
        }
        device.send(message(4));
        assert_eq!(device.read(size), Ok(message(4)));
        device.assert_empty();
        device.assert_room(DEFAULT_STORAGE - if keeps { size } else { 0 });
        device.drain_up_to(size);
        // It stands still when it comes out of the kernel.
        fill.store(1, SeqCst);
        await_stop(child.pid());
        device.assert_all_room();
        kill(child.pid(), Signal::SIGCONT).unwrap();
        child.join();
    }
}

fn a_sender_stopped_in_the_middle_of_a_write_stops_nobody_else() {
    let group = Group::new();
    let device = group.open();
    let fill = &shared(1)[0];
    let child = stuck_until(fill, |page| {
        assert_eq!(sys::write_at(group.open(), page, 100), Ok(100));
    });
    kill(child.pid(), Signal::SIGSTOP).unwrap();
    device.send("first");
    assert_eq!(device.receive(), b"first");
    device.assert_room(DEFAULT_STORAGE - 100);
    device.drain();
    fill.store(1, SeqCst);
    await_stop(child.pid());
    assert_eq!(device.receive(), [FILLING; 100]);
    device.assert_all_room();
    kill(child.pid(), Signal::SIGCONT).unwrap();
    child.join();
}

fn a_reader_stopped_and_killed_in_the_middle_leaves_its_message_first() {
    let group = Group::new();
    let device = group.open();
    device.send("first");
    device.send("second");
    let child = stuck(|page| {
        // SAFETY: The page is not used otherwise.
        let _ = unsafe { sys::read_at(group.open(), page, 100) };
    });
    kill(child.pid(), Signal::SIGSTOP).unwrap();
    child.kill();
    assert_eq!(device.receive(), b"first");
    assert_eq!(device.receive(), b"second");
    device.assert_all_room();
}
