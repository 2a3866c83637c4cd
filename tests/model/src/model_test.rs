// SPDX-License-Identifier: GPL-2.0

//! What the model says to what a device may answer, right and wrong.

use crate::call::{Access, Call, During, Id, Limit, MS, Memory, Message, Outcome, Part};
use crate::model::{Model, Registry};
use nix::errno::Errno::{self, *};

const GOOD: Memory = Memory::Good;
const SECOND: u64 = 1000 * MS;

/// A program, and what time it is.
struct Program {
    model: Model,
    now: u64,
}

impl Program {
    /// Slot 0 is open.
    fn new() -> Self {
        let groups = [(b"one".to_vec(), 1), (b"two".to_vec(), 2)];
        let mut registry = Registry::new(1, 4, "test");
        for (id, number) in &groups {
            registry.add(id, *number);
        }
        let mut program = Self {
            model: Model::new(registry, &groups),
            now: SECOND,
        };
        program.open(0, 0);
        program
    }

    fn open(&mut self, slot: usize, group: usize) {
        let open = Call::Open {
            slot,
            group,
            access: Access::Both,
            nonblock: false,
        };
        self.allows(open, Ok(0), b"");
    }

    /// What the model says to a call that takes a microsecond.
    fn says(&mut self, call: &Call, result: Result<i64, Errno>, bytes: &[u8]) -> bool {
        let outcome = Outcome {
            result,
            bytes: bytes.to_vec(),
        };
        let start = self.now;
        self.now += 1000;
        let during = During {
            start,
            end: self.now,
        };
        self.model.observe(call, &outcome, during).is_ok()
    }

    #[track_caller]
    fn allows(&mut self, call: Call, result: Result<i64, Errno>, bytes: &[u8]) {
        assert!(self.says(&call, result, bytes), "{call:?}: {result:?}");
    }

    /// Does not allow it, and goes on as if it had not been asked.
    #[track_caller]
    fn forbids(&mut self, call: Call, result: Result<i64, Errno>, bytes: &[u8]) {
        let model = self.model.clone();
        assert!(!self.says(&call, result, bytes), "{call:?}: {result:?}");
        self.model = model;
    }

    #[track_caller]
    fn sends(&mut self, size: usize, fill: u8) {
        self.allows(write(size, fill, GOOD), Ok(size as i64), b"");
    }

    #[track_caller]
    fn receives(&mut self, size: usize, fill: u8) {
        let bytes = Message { size, fill }.bytes();
        self.allows(read(100, GOOD), Ok(size as i64), &bytes);
    }

    fn pass(&mut self, ms: u64) {
        self.now += ms * MS;
    }

    fn delay(&mut self, ms: u32) {
        let call = Call::SetSendDelay {
            slot: 0,
            ms,
            legacy: false,
            memory: GOOD,
        };
        self.allows(call, Ok(0), b"");
    }

    fn limit(&mut self, limit: Limit, text: &str) {
        self.allows(set(limit, text), Ok(text.len() as i64), b"");
    }
}

fn write(size: usize, fill: u8, memory: Memory) -> Call {
    Call::Write {
        slot: 0,
        message: Message { size, fill },
        memory,
    }
}

fn read(size: usize, memory: Memory) -> Call {
    Call::Read {
        slot: 0,
        size,
        memory,
    }
}

fn set(limit: Limit, text: &str) -> Call {
    Call::SetLimit {
        group: 0,
        limit,
        text: text.to_owned(),
    }
}

fn install(id: Id, memory: Memory) -> Call {
    Call::Install {
        slot: 0,
        id,
        tail: 7,
        legacy: false,
        memory,
    }
}

const REVOKE: Call = Call::Revoke { slot: 0 };
const FSYNC: Call = Call::Fsync { slot: 0 };
const POLL: Call = Call::Poll { slot: 0 };
const AWAKE: Call = Call::Awake { slot: 0 };

#[test]
fn messages_come_in_order_and_once() {
    let mut program = Program::new();
    program.sends(3, 1);
    program.sends(3, 2);
    program.forbids(read(100, GOOD), Ok(3), &[2, 3, 4]);
    program.forbids(read(100, GOOD), Ok(0), b"");
    program.forbids(read(100, GOOD), Ok(2), &[1, 2]);
    program.receives(3, 1);
    program.forbids(read(100, GOOD), Ok(3), &[1, 2, 3]);
    program.allows(read(2, GOOD), Ok(2), &[2, 3]);
    program.allows(read(100, GOOD), Ok(0), b"");
}

#[test]
fn errors_come_in_the_order_of_the_contract() {
    let mut program = Program::new();
    program.limit(Limit::Storage, "50\n");
    for (size, memory, errno) in [
        (0, Memory::Null, EBADMSG),
        (0, Memory::Kernel, EFAULT),
        (101, Memory::Null, EMSGSIZE),
        (51, Memory::Null, ENOSPC),
        (50, Memory::Null, EFAULT),
        (50, Memory::Cut(49), EFAULT),
        (1, Memory::Kernel, EFAULT),
        (1, GOOD, EBADMSG),
    ] {
        program.allows(write(size, 0, memory), Err(errno), b"");
    }
    // Nothing of that took any room.
    program.allows(write(50, 0, Memory::Cut(50)), Ok(50), b"");
    program.allows(write(1, 0, GOOD), Err(ENOSPC), b"");
}

#[test]
fn a_failed_read_takes_nothing() {
    let mut program = Program::new();
    program.allows(read(100, Memory::Null), Ok(0), b"");
    program.sends(10, 1);
    for memory in [Memory::Null, Memory::ReadOnly, Memory::Cut(9)] {
        program.allows(read(100, memory), Err(EFAULT), b"");
    }
    program.allows(read(0, Memory::Null), Ok(0), b"");
    program.allows(read(4, Memory::Cut(4)), Ok(4), &[1, 2, 3, 4]);
    program.allows(read(100, GOOD), Ok(0), b"");
}

#[test]
fn vectors_are_one_message() {
    let mut program = Program::new();
    let part = |size, memory| Part { size, memory };
    let writev = |parts: &[Part]| Call::Writev {
        slot: 0,
        fill: 5,
        parts: parts.to_vec(),
    };
    program.allows(writev(&[]), Ok(0), b"");
    program.allows(
        writev(&[part(60, GOOD), part(41, GOOD)]),
        Err(EMSGSIZE),
        b"",
    );
    program.allows(
        writev(&[part(2, GOOD), part(1, Memory::Null)]),
        Err(EFAULT),
        b"",
    );
    program.allows(writev(&[part(2, GOOD), part(0, Memory::Null)]), Ok(2), b"");
    let readv = |parts: &[Part]| Call::Readv {
        slot: 0,
        parts: parts.to_vec(),
    };
    program.allows(
        readv(&[part(1, GOOD), part(1, Memory::Null)]),
        Err(EFAULT),
        b"",
    );
    program.allows(readv(&[part(1, GOOD), part(9, GOOD)]), Ok(2), &[5, 6]);
}

#[test]
fn delayed_messages_are_never_early() {
    let mut program = Program::new();
    program.delay(5);
    program.sends(3, 1);
    program.pass(4);
    program.forbids(read(100, GOOD), Ok(3), &[1, 2, 3]);
    program.allows(POLL, Ok(0x104), b"");
    program.pass(1);
    // It may be late, but not for ever.
    program.allows(read(100, GOOD), Ok(0), b"");
    let mut late = Program {
        model: program.model.clone(),
        now: program.now,
    };
    late.pass(11_000);
    late.forbids(read(100, GOOD), Ok(0), b"");
    program.receives(3, 1);
}

#[test]
fn what_was_seen_stays() {
    let mut program = Program::new();
    program.delay(5);
    program.sends(3, 1);
    program.pass(6);
    program.allows(POLL, Ok(0x145), b"");
    program.forbids(POLL, Ok(0x104), b"");
    program.forbids(read(100, GOOD), Ok(0), b"");
    program.receives(3, 1);
}

#[test]
fn a_message_written_before_another_was_due_comes_first() {
    let mut program = Program::new();
    program.delay(5);
    program.sends(3, 1);
    program.delay(0);
    program.sends(3, 2);
    program.pass(6);
    program.forbids(read(100, GOOD), Ok(3), &[1, 2, 3]);
    program.receives(3, 2);
    program.receives(3, 1);
}

#[test]
fn a_message_written_when_another_is_due_may_come_first() {
    let mut program = Program::new();
    program.delay(5);
    program.sends(3, 1);
    program.delay(0);
    program.pass(6);
    program.sends(3, 2);
    program.sends(3, 3);
    program.forbids(read(100, GOOD), Ok(3), &[3, 4, 5]);
    // Whichever: the others follow.
    program.receives(3, 2);
    program.receives(3, 1);
    program.forbids(read(100, GOOD), Ok(0), b"");
    program.receives(3, 3);
}

#[test]
fn delayed_messages_come_as_they_are_due() {
    let mut program = Program::new();
    for (delay, fill) in [(5, 1), (3, 2), (3, 3), (4, 4)] {
        program.delay(delay);
        program.sends(1, fill);
    }
    program.pass(10);
    for fill in [2, 3, 4, 1] {
        let wrong = fill % 4 + 1;
        program.forbids(read(100, GOOD), Ok(1), &[wrong]);
        program.receives(1, fill);
    }
}

#[test]
fn a_flush_publishes_everything() {
    let mut program = Program::new();
    program.delay(3_600_000);
    program.sends(1, 1);
    program.delay(3_000_000);
    program.sends(1, 2);
    program.allows(read(100, GOOD), Ok(0), b"");
    program.allows(FSYNC, Ok(0), b"");
    program.delay(0);
    program.sends(1, 3);
    for fill in [2, 1, 3] {
        program.receives(1, fill);
    }
    // So does the closing of any descriptor.
    program.delay(3_600_000);
    program.sends(1, 4);
    program.open(1, 0);
    program.allows(Call::Close { slot: 1 }, Ok(0), b"");
    program.receives(1, 4);
    program.allows(Call::Close { slot: 1 }, Err(EBADF), b"");
}

#[test]
fn a_revocation_discards_what_is_not_due() {
    let mut program = Program::new();
    program.limit(Limit::Storage, "2");
    program.delay(5);
    program.sends(1, 1);
    program.pass(3);
    program.sends(1, 2);
    program.allows(write(1, 3, GOOD), Err(ENOSPC), b"");
    program.pass(3);
    program.allows(REVOKE, Ok(0), b"");
    program.delay(0);
    program.sends(1, 3);
    program.allows(write(1, 4, GOOD), Err(ENOSPC), b"");
    program.pass(10);
    program.receives(1, 1);
    program.forbids(read(100, GOOD), Ok(1), &[2]);
    program.receives(1, 3);
}

#[test]
fn who_waits_does_so_as_long_as_he_said() {
    let mut program = Program::new();
    let timeout = |ms, memory| Call::SetReceiveTimeout {
        slot: 0,
        ms,
        memory,
    };
    program.allows(timeout(-2, Memory::Null), Err(EFAULT), b"");
    program.allows(timeout(-2, GOOD), Err(EINVAL), b"");
    program.allows(timeout(5, GOOD), Ok(0), b"");
    // Nothing takes longer than a microsecond here.
    program.forbids(read(100, GOOD), Ok(0), b"");
    assert!(!program.model.would_wait(&read(100, GOOD), program.now));
    program.allows(timeout(-1, GOOD), Ok(0), b"");
    assert!(program.model.would_wait(&read(100, GOOD), program.now));
    assert!(!program.model.would_wait(&read(0, GOOD), program.now));
    program.delay(5);
    program.sends(1, 1);
    assert!(!program.model.would_wait(&read(100, GOOD), program.now));
    let nonblock = |on| Call::SetNonblock { slot: 0, on };
    program.allows(nonblock(true), Ok(0), b"");
    program.allows(read(100, GOOD), Err(EAGAIN), b"");
}

#[test]
fn limits_are_numbers() {
    let mut program = Program::new();
    for (text, errno) in [
        ("\n", EINVAL),
        ("-1", EINVAL),
        ("1 ", EINVAL),
        ("1\n\n", EINVAL),
        ("18446744073709551616", ERANGE),
    ] {
        program.allows(set(Limit::Message, text), Err(errno), b"");
    }
    program.limit(Limit::Message, "");
    let get = Call::GetLimit {
        group: 0,
        limit: Limit::Message,
    };
    program.allows(get.clone(), Ok(4), b"100\n");
    program.limit(Limit::Message, "18446744073709551615\n");
    program.allows(get, Ok(21), b"18446744073709551615\n");
    // A message as large as that would not fit.
    program.sends(1, 1);
    program.allows(POLL, Ok(0x041), b"");
    program.limit(Limit::Message, "9999");
    program.allows(POLL, Ok(0x145), b"");
}

#[test]
fn a_group_is_made_once_and_only_if_all_goes_well() {
    let mut program = Program::new();
    program.allows(install(Id::Empty, Memory::Cut(31)), Err(EFAULT), b"");
    program.allows(install(Id::Empty, Memory::Cut(32)), Err(EINVAL), b"");
    program.allows(install(Id::New(0), Memory::Cut(57)), Err(EFAULT), b"");
    program.allows(install(Id::New(0), Memory::ReadOnly), Err(EFAULT), b"");
    program.allows(install(Id::Known(1), GOOD), Ok(0), b"group2");
    program.allows(install(Id::First, GOOD), Ok(0), b"group0");
    program.forbids(install(Id::New(0), GOOD), Ok(0), b"group3");
    program.allows(install(Id::New(0), GOOD), Ok(1), b"group3");
    program.allows(install(Id::New(0), GOOD), Ok(0), b"group3");
    program.allows(install(Id::New(1), GOOD), Err(EDQUOT), b"");
    assert_eq!(program.model.id(Id::New(1)).len(), 32);
}

#[test]
fn a_descriptor_does_what_it_is_open_for() {
    let mut program = Program::new();
    let open = |access| Call::Open {
        slot: 0,
        group: 0,
        access,
        nonblock: false,
    };
    program.allows(open(Access::Read), Ok(0), b"");
    program.allows(write(0, 1, Memory::Kernel), Err(EBADF), b"");
    program.allows(open(Access::Write), Ok(0), b"");
    program.allows(read(1, Memory::Kernel), Err(EBADF), b"");
    for call in [Call::Seek { slot: 0 }, Call::Pread { slot: 0 }] {
        program.allows(call, Err(ESPIPE), b"");
    }
    program.allows(
        Call::UnknownIoctl {
            slot: 0,
            command: 0,
        },
        Err(ENOTTY),
        b"",
    );
    // Descriptors of the same file share its flags.
    program.allows(Call::Dup { slot: 0, to: 1 }, Ok(0), b"");
    program.allows(Call::Dup { slot: 4, to: 1 }, Err(EBADF), b"");
    program.allows(Call::OpenNobody, Err(ENXIO), b"");
}

#[test]
fn sleepers_are_awoken_or_interrupted() {
    let mut program = Program::new();
    let interrupt = Call::Interrupt { group: 0 };
    program.allows(AWAKE, Ok(2), b"");
    program.allows(interrupt.clone(), Ok(0), b"");
    for _ in 0..3 {
        program.allows(Call::Sleep { slot: 0 }, Ok(1), b"");
    }
    assert!(program.model.would_wait(&Call::Sleep { slot: 0 }, 0));
    program.allows(interrupt, Ok(1), &[EINTR as u8]);
    program.forbids(AWAKE, Ok(2), b"");
    program.forbids(AWAKE, Ok(0), &[0, 0xff]);
    program.allows(AWAKE, Ok(0), &[0, 0]);
    program.allows(AWAKE, Ok(2), b"");
}
