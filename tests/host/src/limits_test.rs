// SPDX-License-Identifier: GPL-2.0

//! How much a group may hold, and how it is counted.

use crate::limits::{parse_size, Account, Limits, Refusal, SizeError};
use proptest::prelude::*;

/// How much is stored, as far as it is within the limit: so much less than when it is empty does
/// the account take.
fn stored(account: &mut Account) -> usize {
    let limits = account.limits();
    let (mut room, mut too_much) = (0, limits.max_storage_size as u128 + 1);
    account.set_max_message_size(usize::MAX);
    while room + 1 < too_much {
        let middle = (room + too_much) / 2;
        match account.reserve(middle as usize) {
            Ok(()) => {
                account.give_back(middle as usize);
                room = middle;
            }
            Err(_) => too_much = middle,
        }
    }
    account.set_max_message_size(limits.max_message_size);
    limits.max_storage_size - room as usize
}

const DEFAULT: Limits = Limits {
    max_message_size: 100,
    max_storage_size: 10_000,
};

#[test]
fn a_message_without_bytes_is_refused_first() {
    let mut account = Account::new(Limits {
        max_message_size: 0,
        max_storage_size: 0,
    });
    assert_eq!(account.reserve(0), Err(Refusal::Empty));
}

#[test]
fn a_message_above_its_limit_is_refused_before_the_room_is_looked_at() {
    let mut account = Account::new(Limits {
        max_message_size: 100,
        max_storage_size: 0,
    });
    assert_eq!(account.reserve(101), Err(Refusal::TooLarge));
    assert_eq!(account.reserve(100), Err(Refusal::NoRoom));
}

#[test]
fn a_group_is_filled_to_the_brim_and_no_further() {
    let mut account = Account::new(DEFAULT);
    for _ in 0..100 {
        assert_eq!(account.reserve(100), Ok(()));
    }
    assert_eq!(stored(&mut account), 10_000);
    assert_eq!(account.reserve(1), Err(Refusal::NoRoom));
    account.give_back(100);
    assert_eq!(account.reserve(99), Ok(()));
    assert_eq!(account.reserve(2), Err(Refusal::NoRoom));
    assert_eq!(account.reserve(1), Ok(()));
}

#[test]
fn the_largest_limits_do_not_overflow() {
    let mut account = Account::new(Limits {
        max_message_size: usize::MAX,
        max_storage_size: usize::MAX,
    });
    assert_eq!(account.reserve(usize::MAX), Ok(()));
    assert_eq!(account.reserve(1), Err(Refusal::NoRoom));
    account.give_back(usize::MAX);
    assert_eq!(stored(&mut account), 0);
}

#[test]
fn a_limit_below_what_is_stored_keeps_it_and_refuses_more() {
    let mut account = Account::new(DEFAULT);
    for _ in 0..10 {
        assert_eq!(account.reserve(100), Ok(()));
    }
    account.set_max_storage_size(500);
    assert_eq!(account.limits().max_storage_size, 500);
    for _ in 0..5 {
        assert_eq!(account.reserve(1), Err(Refusal::NoRoom));
        account.give_back(100);
    }
    assert_eq!(account.reserve(1), Err(Refusal::NoRoom));
    account.give_back(100);
    assert_eq!(account.reserve(100), Ok(()));
}

/// What may happen to an account.
#[derive(Clone, Debug)]
enum Step {
    Reserve(usize),
    /// Gives back one of the reservations, which this index chooses.
    GiveBack(prop::sample::Index),
    SetLimits(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..300usize).prop_map(Step::Reserve),
        1 => any::<usize>().prop_map(Step::Reserve),
        5 => any::<prop::sample::Index>().prop_map(Step::GiveBack),
        1 => (0..300usize, 0..2000usize).prop_map(|(m, s)| Step::SetLimits(m, s)),
        1 => Just(Step::SetLimits(usize::MAX, usize::MAX)),
    ]
}

proptest! {
    /// The model is the list of the reservations that are in force.
    #[test]
    fn any_sequence_of_steps_agrees_with_a_list_of_reservations(
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let mut account = Account::new(DEFAULT);
        let mut limits = DEFAULT;
        let mut reserved: Vec<usize> = Vec::new();
        for step in steps {
            match step {
                Step::Reserve(size) => {
                    let stored: u128 = reserved.iter().map(|&size| size as u128).sum();
                    let expected = if size == 0 {
                        Err(Refusal::Empty)
                    } else if size > limits.max_message_size {
                        Err(Refusal::TooLarge)
                    } else if stored + size as u128 > limits.max_storage_size as u128 {
                        Err(Refusal::NoRoom)
                    } else {
                        Ok(())
                    };
                    prop_assert_eq!(account.check(size), expected);
                    prop_assert_eq!(account.reserve(size), expected);
                    if expected.is_ok() {
                        reserved.push(size);
                    }
                }
                Step::GiveBack(_) if reserved.is_empty() => {}
                Step::GiveBack(which) => {
                    account.give_back(reserved.swap_remove(which.index(reserved.len())));
                }
                Step::SetLimits(max_message_size, max_storage_size) => {
                    limits = Limits { max_message_size, max_storage_size };
                    account.set_max_message_size(max_message_size);
                    account.set_max_storage_size(max_storage_size);
                }
            }
            prop_assert_eq!(account.limits(), limits);
            let sum: usize = reserved.iter().sum();
            prop_assert_eq!(stored(&mut account), sum.min(limits.max_storage_size));
            let largest = sum as u128 + limits.max_message_size as u128;
            let fits = limits.max_message_size > 0 && largest <= limits.max_storage_size as u128;
            prop_assert_eq!(account.accepts_largest(), fits);
        }
        for size in reserved {
            account.give_back(size);
        }
        prop_assert_eq!(stored(&mut account), 0);
    }

    #[test]
    fn a_decimal_number_is_a_size(size: usize, newline: bool) {
        let text = format!("{size}{}", if newline { "\n" } else { "" });
        prop_assert_eq!(parse_size(text.as_bytes()), Ok(size));
    }

    #[test]
    fn leading_zeros_mean_nothing(size: usize, zeros in 0..50usize) {
        let text = format!("{}{size}", "0".repeat(zeros));
        prop_assert_eq!(parse_size(text.as_bytes()), Ok(size));
    }

    #[test]
    fn whatever_the_digits_the_result_is_that_of_wider_arithmetic(text in "[0-9]{1,30}") {
        let wide: u128 = text.parse().unwrap();
        let expected = usize::try_from(wide).map_err(|_| SizeError::OutOfRange);
        prop_assert_eq!(parse_size(text.as_bytes()), expected);
    }

    #[test]
    fn any_text_that_the_standard_library_refuses_is_refused(
        text in prop::collection::vec(
            prop_oneof![8 => b'0'..=b'9', 1 => Just(b'\n'), 1 => any::<u8>()],
            0..24,
        ),
    ) {
        // The standard library takes a plus sign, and no newline.
        let plain = text.strip_suffix(b"\n").unwrap_or(&text);
        let expected = std::str::from_utf8(plain)
            .ok()
            .filter(|plain| !plain.starts_with('+'))
            .and_then(|plain| plain.parse::<usize>().ok());
        prop_assert_eq!(parse_size(&text).ok(), expected);
    }
}

#[test]
fn what_is_no_number_is_not_a_size() {
    for text in [
        "", "\n", "\n1", "1\n\n", " 1", "1 ", "+1", "-1", "-0", "0x10", "1e3", "ten", "1k",
        "1,000", "1.0", "\0", "1\0", "\u{0661}",
    ] {
        assert_eq!(
            parse_size(text.as_bytes()),
            Err(SizeError::NotANumber),
            "{text:?}"
        );
    }
}

#[test]
fn a_number_beyond_an_unsigned_long_is_out_of_range() {
    let beyond = (usize::MAX as u128 + 1).to_string();
    for text in [beyond.as_str(), "99999999999999999999999999999999999999"] {
        assert_eq!(
            parse_size(text.as_bytes()),
            Err(SizeError::OutOfRange),
            "{text:?}"
        );
    }
    // What is no number either way is no number: the digits are not the defect.
    let text = format!("{beyond}x");
    assert_eq!(parse_size(text.as_bytes()), Err(SizeError::NotANumber));
}
