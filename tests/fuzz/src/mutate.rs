// SPDX-License-Identifier: GPL-2.0

//! New programs: by chance, and out of those that there are.

use crate::op::Op;
use crate::program::{CALL_SIZE, Call, MAX_CALLS, Program};
use fastrand::Rng;

/// The bytes of a call that most often matter when they change: all but the operation.
const FIELDS: std::ops::Range<usize> = 1..CALL_SIZE;

/// A call by chance. Half of them are of the kind that works: one thread, ordinary memory, a small
/// size; for a program in which nothing ever works does not get far.
fn random_call(rng: &mut Rng) -> Call {
    let mut bytes = [(); CALL_SIZE].map(|()| rng.u8(..));
    bytes[0] = Op::random(rng).to_byte();
    if rng.bool() {
        bytes[1] = 0;
    }
    if rng.bool() {
        bytes[2] = rng.u8(..3);
    }
    if rng.bool() {
        bytes[3] = rng.u8(..2);
        bytes[4] = rng.u8(..2);
    }
    if rng.bool() {
        // One of the contract's commands; the first of the texts, paths and so on.
        bytes[5] = rng.u8(..9);
    }
    Call::decode(bytes)
}

/// A program by chance.
pub fn random(rng: &mut Rng) -> Program {
    let calls = rng.usize(1..24);
    let threaded = rng.u8(..3) == 0;
    let calls = (0..calls).map(|_| {
        let call = random_call(rng);
        let thread = if threaded { call.thread } else { 0 };
        Call { thread, ..call }
    });
    Program {
        calls: calls.collect(),
    }
}

/// Another program, some steps from the first of `parents`. It is never empty.
///
/// Panics if there is no parent.
pub fn mutate(parents: &[&Program], rng: &mut Rng) -> Program {
    let mut calls = parents[0].calls.clone();
    for _ in 0..rng.usize(1..6) {
        step(&mut calls, parents, rng);
    }
    calls.truncate(MAX_CALLS);
    if calls.is_empty() {
        calls.push(random_call(rng));
    }
    Program { calls }
}

fn step(calls: &mut Vec<Call>, parents: &[&Program], rng: &mut Rng) {
    let len = calls.len();
    if len == 0 {
        calls.push(random_call(rng));
        return;
    }
    let at = rng.usize(..len);
    match rng.u8(..12) {
        0..=2 => calls.insert(at, random_call(rng)),
        3 => drop(calls.remove(at)),
        4 => calls.swap(at, rng.usize(..len)),
        5 => calls.insert(at, calls[rng.usize(..len)]),
        6..=8 => {
            let mut bytes = calls[at].encode();
            let field = rng.usize(FIELDS);
            bytes[field] = match rng.u8(..4) {
                0 => bytes[field] ^ (1 << rng.u8(..8)),
                1 => bytes[field].wrapping_add(1),
                2 => bytes[field].wrapping_sub(1),
                _ => rng.u8(..),
            };
            calls[at] = Call::decode(bytes);
        }
        9 => calls[at].thread = rng.u8(..4),
        10 => {
            // A piece of some program, at some place.
            let other = &parents[rng.usize(..parents.len())].calls;
            if !other.is_empty() {
                let start = rng.usize(..other.len());
                let end = rng.usize(start..other.len()) + 1;
                calls.splice(at..at, other[start..end].iter().copied());
            }
        }
        _ => {
            // The same again, by another thread.
            let piece: Vec<_> = calls[at..].iter().take(rng.usize(1..5)).copied().collect();
            let thread = rng.u8(..4);
            calls.extend(piece.into_iter().map(|call| Call { thread, ..call }));
        }
    }
}

/// The program without some of its calls, for each way to leave out so many at once. Shortest
/// first.
pub fn shorter(program: &Program, chunk: usize) -> impl Iterator<Item = Program> + '_ {
    let len = program.calls.len();
    (0..len).step_by(chunk.max(1)).map(move |start| {
        let mut calls = program.calls.clone();
        calls.drain(start..(start + chunk.max(1)).min(len));
        Program { calls }
    })
}
