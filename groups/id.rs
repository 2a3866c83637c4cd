// SPDX-License-Identifier: GPL-2.0

//! What a group's id is.
//!
//! Plain policy: no kernel type, no allocation, no lock. Compiles on the host too, where it is
//! tested.

/// Bytes in the `id` field of `struct group_t`.
pub(crate) const ID_SIZE: usize = 32;

/// A group's id: 1 to [`ID_SIZE`] bytes, none of them NUL.
///
/// # Invariants
///
/// `1 <= len <= ID_SIZE`; the first `len` bytes are not NUL and all the others are. So two ids are
/// equal exactly when the derived comparison says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct GroupId {
    bytes: [u8; ID_SIZE],
    len: usize,
}

impl GroupId {
    /// Reads an id as programs give it: the bytes up to the first NUL, or all of them.
    ///
    /// What follows the NUL means nothing and is dropped. `None`: the id is empty.
    pub(crate) fn parse(raw: &[u8; ID_SIZE]) -> Option<Self> {
        let mut bytes = [0; ID_SIZE];
        let mut len = 0;
        for (to, &from) in bytes.iter_mut().zip(raw).take_while(|(_, &b)| b != 0) {
            *to = from;
            len += 1;
        }
        // INVARIANT: `len` bytes were copied, each not NUL; the rest is as it was, NUL.
        (len > 0).then_some(Self { bytes, len })
    }

    /// The id's bytes, without any NUL.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }
}
