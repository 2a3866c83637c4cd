// SPDX-License-Identifier: GPL-2.0

//! A program: a sequence of calls, as values, as bytes, and as text.
//!
//! A call is [`CALL_SIZE`] bytes, and every byte string is a program: what a byte can stand for is
//! counted round and round, and an incomplete call at the end is none. In a file a program is
//! text: a call is a line with its bytes in hexadecimal; `#` and what is behind it is for people.

use crate::op::Op;
use crate::values::{self, Memory};
use std::fmt::Write;

/// How many bytes stand for a call: operation, thread, file, memory, size, choice, value (2).
pub const CALL_SIZE: usize = 8;
/// What is behind so many calls is not part of the program.
pub const MAX_CALLS: usize = 48;
/// How many threads a program may have.
pub const THREADS: usize = 4;
/// How many places for descriptors it has, which its threads share.
pub const FILES: usize = 8;

/// One call, by one thread. Which fields mean what is the operation's business.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    pub op: Op,
    pub thread: u8,
    pub file: u8,
    pub memory: Memory,
    pub size: u8,
    pub choice: u8,
    pub value: u16,
}

impl Call {
    /// The call that these bytes stand for. All bytes stand for one.
    pub fn decode(bytes: [u8; CALL_SIZE]) -> Self {
        let [op, thread, file, memory, size, choice, low, high] = bytes;
        Self {
            op: Op::from_byte(op),
            thread: thread % THREADS as u8,
            file: file % FILES as u8,
            memory: Memory::from_byte(memory),
            size: size % values::SIZE_KINDS,
            choice,
            value: u16::from_le_bytes([low, high]),
        }
    }

    pub fn encode(self) -> [u8; CALL_SIZE] {
        let [low, high] = self.value.to_le_bytes();
        [
            self.op.to_byte(),
            self.thread,
            self.file,
            self.memory.to_byte(),
            self.size,
            self.choice,
            low,
            high,
        ]
    }

    /// How many bytes the call speaks of.
    pub fn bytes(self) -> usize {
        values::size(self.size, self.value)
    }

    /// Another file, for calls that take two.
    pub fn other(self) -> usize {
        usize::from(self.choice) / 8 % FILES
    }
}

/// A program.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Program {
    pub calls: Vec<Call>,
}

impl Program {
    /// The program that these bytes stand for. All bytes stand for one.
    pub fn decode(bytes: &[u8]) -> Self {
        let calls = bytes.chunks_exact(CALL_SIZE).take(MAX_CALLS);
        let calls = calls.map(|call| Call::decode(call.try_into().expect("a chunk's size")));
        Self {
            calls: calls.collect(),
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        self.calls.iter().flat_map(|call| call.encode()).collect()
    }

    /// The program in a file's text. An error names the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut bytes = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let code = line.split('#').next().unwrap_or_default();
            for byte in code.split_ascii_whitespace() {
                let byte = u8::from_str_radix(byte, 16);
                bytes.push(byte.map_err(|err| format!("line {}: {err}", number + 1))?);
            }
        }
        Ok(Self::decode(&bytes))
    }

    /// The program as a file's text, with what it means.
    pub fn to_text(&self) -> String {
        self.text(true)
    }

    /// The same without what it means.
    pub fn to_code(&self) -> String {
        self.text(false)
    }

    fn text(&self, explain: bool) -> String {
        let mut text = String::new();
        for call in &self.calls {
            let code: Vec<_> = call.encode().iter().map(|b| format!("{b:02x}")).collect();
            text += &code.join(" ");
            if explain {
                write!(text, "  # {call}").expect("a string grows");
            }
            text.push('\n');
        }
        text
    }

    /// Whether any call is this operation.
    pub fn has(&self, op: Op) -> bool {
        self.calls.iter().any(|call| call.op == op)
    }
}
