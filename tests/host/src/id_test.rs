// SPDX-License-Identifier: GPL-2.0

//! What a group's id is.

use crate::id::{GroupId, ID_SIZE};
use proptest::prelude::*;

/// An id as programs give it: `text`, then `rest` up to the field's size.
fn raw(text: &[u8], rest: u8) -> [u8; ID_SIZE] {
    let mut raw = [rest; ID_SIZE];
    raw[..text.len()].copy_from_slice(text);
    raw
}

#[test]
fn an_id_without_bytes_is_none() {
    assert_eq!(GroupId::parse(&[0; ID_SIZE]), None);
    let mut behind_the_nul = [b'x'; ID_SIZE];
    behind_the_nul[0] = 0;
    assert_eq!(GroupId::parse(&behind_the_nul), None);
}

#[test]
fn an_id_may_fill_its_field() {
    let id = GroupId::parse(&[b'x'; ID_SIZE]).unwrap();
    assert_eq!(id.as_bytes(), [b'x'; ID_SIZE]);
}

#[test]
fn an_id_one_byte_shorter_than_its_field_is_another() {
    let full = GroupId::parse(&[b'x'; ID_SIZE]).unwrap();
    let shorter = GroupId::parse(&raw(&[b'x'; ID_SIZE - 1], 0)).unwrap();
    assert_eq!(shorter.as_bytes(), [b'x'; ID_SIZE - 1]);
    assert_ne!(full, shorter);
}

#[test]
fn bytes_behind_the_nul_mean_nothing() {
    let clean = GroupId::parse(&raw(b"id\0", 0)).unwrap();
    let dirty = GroupId::parse(&raw(b"id\0", 0xff)).unwrap();
    assert_eq!(clean, dirty);
}

proptest! {
    #[test]
    fn an_id_is_the_bytes_up_to_the_first_nul(
        bytes in proptest::array::uniform32(prop_oneof![1 => Just(0), 20 => any::<u8>()]),
    ) {
        let len = bytes.iter().position(|&byte| byte == 0).unwrap_or(ID_SIZE);
        match GroupId::parse(&bytes) {
            Some(id) => prop_assert_eq!(id.as_bytes(), &bytes[..len]),
            None => prop_assert_eq!(len, 0),
        }
    }

    #[test]
    fn ids_are_equal_exactly_when_their_bytes_are(
        a in proptest::array::uniform32(0u8..3),
        b in proptest::array::uniform32(0u8..3),
    ) {
        if let (Some(a), Some(b)) = (GroupId::parse(&a), GroupId::parse(&b)) {
            prop_assert_eq!(a == b, a.as_bytes() == b.as_bytes());
        }
    }
}
