// SPDX-License-Identifier: GPL-2.0

//! Random programs.
//!
//! Every part of a program is one as well, for no call depends on another's being there: so what
//! is not needed for a failure can be left out, one call after the other. Where there is a choice,
//! the simplest comes first, for that is what a failing program is made of in the end.

use crate::call::{Access, Call, Id, Limit, Memory, Message, Part};
use crate::model::{GROUPS, SLOTS};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;

/// The most calls that a program has.
pub const LENGTH: usize = 300;

/// A delay that no program waits for, in milliseconds.
const HOUR: u32 = 3_600_000;

/// Programs. Some have only calls of the more usual kinds, of which more succeed.
pub fn programs() -> BoxedStrategy<Vec<Call>> {
    let usual = (opening(), vec(calls(false), 0..LENGTH));
    let any = (opening(), vec(calls(true), 0..LENGTH));
    let whole = |(opening, calls): (Vec<Call>, Vec<Call>)| [opening, calls].concat();
    prop_oneof![usual.prop_map(whole), any.prop_map(whole)].boxed()
}

/// What a program begins with: all slots are in use.
fn opening() -> impl Strategy<Value = Vec<Call>> {
    let into = |(at, call)| match call {
        Call::Open {
            group,
            access,
            nonblock,
            ..
        } => Call::Open {
            slot: at,
            group,
            access,
            nonblock,
        },
        call => call,
    };
    vec(open(), SLOTS).prop_map(move |calls| calls.into_iter().enumerate().map(into).collect())
}

fn calls(wild: bool) -> impl Strategy<Value = Call> {
    let mut choices = vec![
        (24, write(wild)),
        (20, read(wild)),
        (4, poll()),
        (4, first_size(wild)),
        (4, set_send_delay(wild)),
        (4, pause()),
        (2, fsync()),
        (2, revoke()),
        (3, writev(wild)),
        (3, readv(wild)),
        (2, set_receive_timeout(wild)),
        (2, set_limit(wild)),
        (2, open()),
        (1, close()),
        (1, dup()),
        (1, set_nonblock()),
        (1, awake()),
        (1, get_limit()),
    ];
    if wild {
        choices.extend([
            (1, sleep()),
            (1, interrupt()),
            (2, install()),
            (1, get_id()),
            (1, nonsense()),
        ]);
    }
    Union::new_weighted(choices)
}

fn slot() -> impl Strategy<Value = usize> {
    0..SLOTS
}

fn group() -> impl Strategy<Value = usize> {
    0..GROUPS
}

fn open() -> BoxedStrategy<Call> {
    let access = prop_oneof![
        6 => Just(Access::Both),
        1 => Just(Access::Read),
        1 => Just(Access::Write),
    ];
    (slot(), group(), access, proptest::bool::weighted(0.3))
        .prop_map(|(slot, group, access, nonblock)| Call::Open {
            slot,
            group,
            access,
            nonblock,
        })
        .boxed()
}

/// Memory for so many bytes.
fn memory(wild: bool) -> BoxedStrategy<Memory> {
    if !wild {
        return Just(Memory::Good).boxed();
    }
    prop_oneof![
        20 => Just(Memory::Good),
        2 => (0..120usize).prop_map(Memory::Cut),
        1 => Just(Memory::ReadOnly),
        1 => Just(Memory::Null),
        1 => Just(Memory::Kernel),
    ]
    .boxed()
}

/// Where a number of 4 bytes is.
fn word_memory(wild: bool) -> BoxedStrategy<Memory> {
    if !wild {
        return Just(Memory::Good).boxed();
    }
    prop_oneof![20 => Just(Memory::Good), 2 => (0..5usize).prop_map(Memory::Cut), 1 => memory(wild)]
        .boxed()
}

/// The size of a message: around the limits more often than elsewhere.
fn size(wild: bool) -> BoxedStrategy<usize> {
    let most: usize = if wild { 6000 } else { 100 };
    prop_oneof![
        4 => 1..20usize,
        4 => 1..=100usize,
        1 => select(vec![1, 2, 9, 10, 99, 100]),
        1 => 0..=most,
        1 => select(vec![0, 1, 101, 200, 201, 1000, 5000]),
    ]
    .boxed()
}

fn message(wild: bool) -> impl Strategy<Value = Message> {
    let fill = prop_oneof![1 => Just(0u8), 5 => 1..=255u8];
    (size(wild), fill).prop_map(|(size, fill)| Message { size, fill })
}

fn write(wild: bool) -> BoxedStrategy<Call> {
    (slot(), message(wild), memory(wild))
        .prop_map(|(slot, message, memory)| Call::Write {
            slot,
            message,
            memory,
        })
        .boxed()
}

fn parts(wild: bool) -> impl Strategy<Value = Vec<Part>> {
    let part = (prop_oneof![3 => 0..40usize, 1 => 0..120usize], memory(wild))
        .prop_map(|(size, memory)| Part { size, memory });
    vec(part, 0..6)
}

fn writev(wild: bool) -> BoxedStrategy<Call> {
    (slot(), 0..=255u8, parts(wild))
        .prop_map(|(slot, fill, parts)| Call::Writev { slot, fill, parts })
        .boxed()
}

fn read(wild: bool) -> BoxedStrategy<Call> {
    let size = prop_oneof![6 => Just(6000usize), 2 => 0..=100usize, 1 => 0..6000usize];
    (slot(), size, memory(wild))
        .prop_map(|(slot, size, memory)| Call::Read { slot, size, memory })
        .boxed()
}

fn readv(wild: bool) -> BoxedStrategy<Call> {
    (slot(), parts(wild))
        .prop_map(|(slot, parts)| Call::Readv { slot, parts })
        .boxed()
}

fn set_send_delay(wild: bool) -> BoxedStrategy<Call> {
    let ms = prop_oneof![
        3 => Just(0),
        6 => 1..8u32,
        1 => Just(HOUR),
        1 => select(vec![HOUR + 1, u32::MAX - 1, u32::MAX]),
    ];
    (slot(), ms, any::<bool>(), word_memory(wild))
        .prop_map(|(slot, ms, legacy, memory)| Call::SetSendDelay {
            slot,
            ms,
            legacy,
            memory,
        })
        .boxed()
}

fn set_receive_timeout(wild: bool) -> BoxedStrategy<Call> {
    let ms = prop_oneof![
        2 => Just(0),
        3 => 1..4i32,
        2 => select(vec![-1, i32::MAX]),
        1 => select(vec![-2, i32::MIN]),
    ];
    (slot(), ms, word_memory(wild))
        .prop_map(|(slot, ms, memory)| Call::SetReceiveTimeout { slot, ms, memory })
        .boxed()
}

fn first_size(wild: bool) -> BoxedStrategy<Call> {
    (slot(), word_memory(wild))
        .prop_map(|(slot, memory)| Call::FirstSize { slot, memory })
        .boxed()
}

fn install() -> BoxedStrategy<Call> {
    let id = prop_oneof![
        4 => group().prop_map(Id::Known),
        1 => Just(Id::First),
        1 => Just(Id::Empty),
        2 => (0..6usize).prop_map(Id::New),
    ];
    // Around the end of the id, and that of the structure.
    let memory = prop_oneof![
        6 => Just(Memory::Good),
        2 => select(vec![0, 31, 32, 33, 57, 58]).prop_map(Memory::Cut),
        1 => memory(true),
    ];
    (slot(), id, any::<u8>(), any::<bool>(), memory)
        .prop_map(|(slot, id, tail, legacy, memory)| Call::Install {
            slot,
            id,
            tail,
            legacy,
            memory,
        })
        .boxed()
}

/// What cannot be done with a group.
fn nonsense() -> BoxedStrategy<Call> {
    // Numbers that are nearly those of the header. None is one that the kernel knows.
    let commands = vec![
        0x7800,
        0x7807,
        0x8004_7804,
        0x4002_7804,
        0xc008_7804,
        0x4004_7801,
        0x4008_7806,
        0xc03b_7803,
        0x4004_7904,
        0xffff_ffff,
    ];
    prop_oneof![
        (slot(), select(commands)).prop_map(|(slot, command)| Call::UnknownIoctl { slot, command }),
        slot().prop_map(|slot| Call::Seek { slot }),
        slot().prop_map(|slot| Call::Pread { slot }),
        slot().prop_map(|slot| Call::Pwrite { slot }),
        Just(Call::OpenNobody),
    ]
    .boxed()
}

fn limit() -> impl Strategy<Value = Limit> {
    select(vec![Limit::Message, Limit::Storage])
}

fn set_limit(wild: bool) -> BoxedStrategy<Call> {
    let good = select(vec![
        "100",
        "10000",
        "10",
        "200\n",
        "5000",
        "500",
        "1",
        "0",
        "0100",
        "18446744073709551615",
    ]);
    let bad = select(vec![
        "",
        "\n",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1\n\n",
        "0x10",
        "ten",
        "18446744073709551616",
        "99999999999999999999999\n",
    ]);
    let text = if wild {
        prop_oneof![8 => good, 1 => bad].boxed()
    } else {
        good.boxed()
    };
    (group(), limit(), text)
        .prop_map(|(group, limit, text)| Call::SetLimit {
            group,
            limit,
            text: text.to_owned(),
        })
        .boxed()
}

fn get_limit() -> BoxedStrategy<Call> {
    (group(), limit())
        .prop_map(|(group, limit)| Call::GetLimit { group, limit })
        .boxed()
}

fn get_id() -> BoxedStrategy<Call> {
    group().prop_map(|group| Call::GetId { group }).boxed()
}

fn pause() -> BoxedStrategy<Call> {
    (0..5u32).prop_map(|ms| Call::Pause { ms }).boxed()
}

fn dup() -> BoxedStrategy<Call> {
    (slot(), slot())
        .prop_map(|(slot, to)| Call::Dup { slot, to })
        .boxed()
}

fn set_nonblock() -> BoxedStrategy<Call> {
    (slot(), any::<bool>())
        .prop_map(|(slot, on)| Call::SetNonblock { slot, on })
        .boxed()
}

fn interrupt() -> BoxedStrategy<Call> {
    group().prop_map(|group| Call::Interrupt { group }).boxed()
}

fn close() -> BoxedStrategy<Call> {
    slot().prop_map(|slot| Call::Close { slot }).boxed()
}

fn poll() -> BoxedStrategy<Call> {
    slot().prop_map(|slot| Call::Poll { slot }).boxed()
}

fn fsync() -> BoxedStrategy<Call> {
    slot().prop_map(|slot| Call::Fsync { slot }).boxed()
}

fn revoke() -> BoxedStrategy<Call> {
    slot().prop_map(|slot| Call::Revoke { slot }).boxed()
}

fn sleep() -> BoxedStrategy<Call> {
    slot().prop_map(|slot| Call::Sleep { slot }).boxed()
}

fn awake() -> BoxedStrategy<Call> {
    slot().prop_map(|slot| Call::Awake { slot }).boxed()
}
