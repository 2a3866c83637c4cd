// SPDX-License-Identifier: GPL-2.0

//! How groupctl ends when it does not succeed. The exit statuses are listed in `cli.rs`.

use lgroups::Error;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

pub type Result<T = ()> = std::result::Result<T, Failure>;

pub enum Failure {
    /// The library said no.
    Group(Error),
    /// There is no group with this id.
    NoSuchGroup(String),
    /// There is nothing, which the exit status says, and no words.
    Nothing,
    /// It cannot be read or written.
    Io(&'static str, io::Error),
    /// A line of standard input could not be sent.
    Line(u64, Error),
}

impl From<Error> for Failure {
    fn from(err: Error) -> Self {
        Self::Group(err)
    }
}

impl Failure {
    /// Standard output could not be written.
    pub fn output(err: io::Error) -> Self {
        Self::Io("cannot write to standard output", err)
    }

    /// Tells the user, and gives the exit status.
    pub fn report(self) -> ExitCode {
        let (status, text) = match self {
            Self::Group(err) => (status_of(&err), err.to_string()),
            Self::Line(number, err) => (status_of(&err), format!("line {number}: {err}")),
            Self::NoSuchGroup(id) => (
                4,
                format!(
                    "there is no group {id}: groupctl list shows those there are, groupctl install makes one"
                ),
            ),
            Self::Nothing => return ExitCode::from(5),
            // As a shell has it for one that SIGPIPE has ended, and as silent.
            Self::Io(_, err) if err.kind() == io::ErrorKind::BrokenPipe => {
                return ExitCode::from(141);
            }
            Self::Io(what, err) => (1, format!("{what}: {err}")),
        };
        let (red, plain) = if crate::output::colours(io::stderr().is_terminal()) {
            ("\x1b[1;31m", "\x1b[0m")
        } else {
            ("", "")
        };
        eprintln!("{red}groupctl:{plain} {text}");
        ExitCode::from(status)
    }
}

fn status_of(err: &Error) -> u8 {
    match err {
        Error::NotLoaded { .. } => 3,
        Error::EmptyMessage | Error::MessageTooLarge { .. } | Error::StorageFull => 6,
        _ => 1,
    }
}
