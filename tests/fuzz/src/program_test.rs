// SPDX-License-Identifier: GPL-2.0

//! Tests of programs as values, bytes and text, which need no kernel.

use crate::corpus;
use crate::mutate;
use crate::op::Op;
use crate::program::{CALL_SIZE, Call, MAX_CALLS, Program};
use crate::values::{self, Memory};
use fastrand::Rng;
use proptest::prelude::*;
use std::collections::HashSet;
use std::path::Path;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..2 * MAX_CALLS * CALL_SIZE)
}

proptest! {
    #[test]
    fn every_byte_string_is_a_program(bytes in bytes()) {
        let program = Program::decode(&bytes);
        prop_assert_eq!(program.calls.len(), (bytes.len() / CALL_SIZE).min(MAX_CALLS));
    }

    #[test]
    fn what_is_encoded_is_decoded(bytes in bytes()) {
        let program = Program::decode(&bytes);
        prop_assert_eq!(&Program::decode(&program.encode()), &program);
    }

    #[test]
    fn what_is_written_is_read(bytes in bytes()) {
        let program = Program::decode(&bytes);
        prop_assert_eq!(Program::parse(&program.to_text()), Ok(program.clone()));
        prop_assert_eq!(Program::parse(&program.to_code()), Ok(program));
    }

    #[test]
    fn any_text_is_a_program_or_an_error(text in ".*") {
        let _ = Program::parse(&text);
    }

    #[test]
    fn every_call_can_be_described_and_has_values(bytes in any::<[u8; CALL_SIZE]>()) {
        let call = Call::decode(bytes);
        prop_assert!(!call.to_string().contains('\n'));
        values::command(call.choice, call.value);
        values::fcntl(call.choice, call.value);
        values::text(call.value);
        values::attribute(call.choice);
        crate::memory::address(call.memory, call.bytes());
    }

    #[test]
    fn every_child_of_programs_is_a_program(a in bytes(), b in bytes(), seed in any::<u64>()) {
        let parents = [Program::decode(&a), Program::decode(&b)];
        let child = mutate::mutate(&[&parents[0], &parents[1]], &mut Rng::with_seed(seed));
        prop_assert!((1..=MAX_CALLS).contains(&child.calls.len()));
        prop_assert_eq!(Program::decode(&child.encode()), child);
    }

    #[test]
    fn a_seed_makes_the_same_program(seed in any::<u64>()) {
        let [a, b] = [(); 2].map(|()| mutate::random(&mut Rng::with_seed(seed)));
        prop_assert!(!a.calls.is_empty() && a.calls.len() <= MAX_CALLS);
        prop_assert_eq!(a, b);
    }

    #[test]
    fn a_shorter_program_is_shorter(bytes in bytes(), chunk in 0..MAX_CALLS) {
        let program = Program::decode(&bytes);
        for shorter in mutate::shorter(&program, chunk) {
            prop_assert!(shorter.calls.len() < program.calls.len());
        }
    }
}

#[test]
fn random_programs_have_every_operation() {
    let mut rng = Rng::with_seed(1);
    let programs = (0..2000).flat_map(|_| mutate::random(&mut rng).calls);
    let seen: HashSet<u8> = programs.map(|call| call.op.to_byte()).collect();
    assert_eq!(seen.len(), Op::ALL.len());
}

#[test]
fn every_operation_has_a_byte_of_its_own() {
    for (byte, op) in Op::ALL.iter().enumerate() {
        assert_eq!(usize::from(op.to_byte()), byte);
        assert_eq!(Op::from_byte(op.to_byte()), *op);
    }
}

#[test]
fn every_byte_is_some_memory() {
    for byte in 0..=u8::MAX {
        let memory = Memory::from_byte(byte);
        assert_eq!(Memory::from_byte(memory.to_byte()), memory);
    }
}

#[test]
fn a_line_that_is_no_code_is_named() {
    let error = Program::parse("00 01\n# fine\n02 xyz").expect_err("xyz is no number");
    assert!(error.starts_with("line 3: "), "{error}");
}

#[test]
fn the_corpus_can_be_read_and_is_as_it_would_be_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for path in corpus::files(&folder).expect("the corpus") {
        let program = corpus::read(&path).expect("a program");
        let text = std::fs::read_to_string(&path).expect("a file");
        assert_eq!(text, program.to_text(), "{}", path.display());
    }
}
