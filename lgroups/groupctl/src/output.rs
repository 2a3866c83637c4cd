// SPDX-License-Identifier: GPL-2.0

//! What is printed, and how.

use crate::failure::{Failure, Result};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, IsTerminal, StdoutLock, Write as _};

/// Standard output, for a person or, as JSON, for a program.
#[derive(Clone, Copy)]
pub struct Output {
    pub json: bool,
}

/// Whether to use colours on something that is, or is not, a terminal.
pub fn colours(terminal: bool) -> bool {
    terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

impl Output {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints one or the other. What is printed is out when this returns.
    pub fn print(self, text: impl FnOnce() -> String, value: impl FnOnce() -> Value) -> Result {
        let text = if self.json {
            value().to_string()
        } else {
            text()
        };
        self.write(|out| writeln!(out, "{text}"))
    }

    pub fn write(self, print: impl FnOnce(&mut StdoutLock<'_>) -> io::Result<()>) -> Result {
        let mut out = io::stdout().lock();
        print(&mut out)
            .and_then(|()| out.flush())
            .map_err(Failure::output)
    }

    /// Something to be seen first, on a terminal.
    pub fn heading(self, text: &str) -> String {
        if colours(io::stdout().is_terminal()) {
            format!("\x1b[1m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Bytes as a terminal can show them: what is no printable text is escaped.
pub fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\\' => text.push_str("\\\\"),
                ' ' => text.push(' '),
                // Among others, those that turn the direction of writing.
                _ if char.is_control() || char.is_whitespace() || is_format(char) => {
                    text.extend(char.escape_default());
                }
                _ => text.push(char),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Characters that change how others look, and are not seen themselves.
fn is_format(char: char) -> bool {
    matches!(char, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Bytes for a program: as text if they are, and always as hexadecimal digits.
pub fn bytes(bytes: &[u8]) -> (Value, Value) {
    let mut hex = String::new();
    for byte in bytes {
        let _ = write!(hex, "{byte:02x}");
    }
    (json!(std::str::from_utf8(bytes).ok()), json!(hex))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(escaped("plain text, Grüße".as_bytes()), "plain text, Grüße");
        assert_eq!(escaped(b"\x1b[2J\n\t"), "\\u{1b}[2J\\n\\t");
        assert_eq!(escaped(b"a\xffb\\"), "a\\xffb\\\\");
        assert_eq!(escaped("\u{202e}x".as_bytes()), "\\u{202e}x");
    }

    #[test]
    fn bytes_that_are_no_text_are_digits_only() {
        assert_eq!(bytes(b"a"), (json!("a"), json!("61")));
        assert_eq!(bytes(b"\xff\n"), (Value::Null, json!("ff0a")));
    }
}
