// SPDX-License-Identifier: GPL-2.0

//! Programs can be made again from their seed, and from their text.

use crate::generate::programs;
use crate::program::{parse, print};
use crate::random::runner;
use proptest::strategy::{Strategy, ValueTree};

fn program(seed: u64) -> Vec<crate::call::Call> {
    let tree = programs().new_tree(&mut runner(seed));
    tree.expect("a program").current()
}

#[test]
fn a_seed_makes_the_same_program_again() {
    assert_eq!(program(1), program(1));
    assert_ne!(program(1), program(2));
}

#[test]
fn a_program_can_be_printed_and_read() {
    for seed in 0..20 {
        let program = program(seed);
        assert_eq!(parse(&print(&program)), Ok(program));
    }
    assert_eq!(parse("# nothing\n\n"), Ok(vec![]));
    assert!(parse("Write(").is_err());
}
