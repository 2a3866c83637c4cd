// SPDX-License-Identifier: GPL-2.0

//! Reading and writing with several buffers.

use super::{Worker, call};
use crate::op::Op;
use crate::program::Call;
use crate::values::{Memory, Place, Region};
use crate::{memory, values};

/// As many buffers as are filled in. Where a call has more, they are whatever comes behind.
const BUFFERS: usize = 1026;

/// An address and a length, of so many bits each.
pub trait Word: Copy {
    fn of(number: usize) -> Self;
}

impl Word for u64 {
    fn of(number: usize) -> Self {
        number as u64
    }
}

impl Word for u32 {
    fn of(number: usize) -> Self {
        number as u32
    }
}

/// The buffers of a vector: all like the call's, or of shapes that mix them with others. Returns
/// how many were filled in.
pub fn fill<W: Word>(c: Call, buffers: &mut [[W; 2]]) -> usize {
    let count = values::vector_count(c.value).clamp(0, buffers.len() as i64) as usize;
    let size = c.bytes();
    let given = (memory::address(c.memory, size), size);
    let data = Memory {
        region: Region::Data,
        place: Place::Start,
    };
    let data = memory::address(data, 0);
    for (i, buffer) in buffers[..count].iter_mut().enumerate() {
        let is_last = i + 1 == count;
        let (at, len) = match c.choice & 7 {
            0 | 1 => given,
            // The call's memory at the end, the beginning, or anywhere, among good ones.
            2 if is_last => given,
            3 if i == 0 => given,
            4 if i % 2 == 1 => given,
            // Empty ones among them.
            5 if i % 2 == 0 => given,
            5 => (0, 0),
            // Lengths whose sum is more than there can be.
            6 => (data, usize::MAX / 2 / (i + 1)),
            7 => (data + i * 64, 1),
            _ => (data + i * 8, 8),
        };
        *buffer = [W::of(at), W::of(len)];
    }
    count
}

impl Worker<'_> {
    pub fn transfer_vector(&self, c: Call) -> i64 {
        let mut buffers = [[0u64; 2]; BUFFERS];
        fill(c, &mut buffers);
        let count = values::vector_count(c.value) as usize;
        // Once in a while the vector itself is where the call says.
        let at = if c.choice & 0xf8 == 0xf8 {
            memory::address(c.memory, 16)
        } else {
            buffers.as_ptr() as usize
        };
        let file = self.file(c.file.into());
        // An offset of -1 is the file's own.
        let offset = if c.value % 16 == 7 { 5 } else { usize::MAX };
        let flags = values::call_flags(c.choice >> 3) as usize;
        match c.op {
            Op::Writev => call(libc::SYS_writev, [file, at, count, 0, 0, 0]),
            Op::Readv => call(libc::SYS_readv, [file, at, count, 0, 0, 0]),
            Op::Pwritev2 => call(libc::SYS_pwritev2, [file, at, count, offset, 0, flags]),
            _ => call(libc::SYS_preadv2, [file, at, count, offset, 0, flags]),
        }
    }
}
