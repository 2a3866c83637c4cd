// SPDX-License-Identifier: GPL-2.0

//! What can go wrong, and what to do about it.

use rustix::io::Errno;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why something could not be done. Printed, it says what to do about it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The module is not loaded, or its first device cannot be opened.
    NotLoaded {
        /// Why not.
        source: io::Error,
    },
    /// An id has 1 to [`MAX_ID_SIZE`](crate::MAX_ID_SIZE) bytes, none of them NUL.
    InvalidId,
    /// The module's `max_groups` groups have all been made.
    NoGroupsLeft,
    /// The module did not make the group.
    Install {
        /// Why not.
        source: io::Error,
    },
    /// The group is there, but its device cannot be opened.
    Device {
        /// The device.
        path: PathBuf,
        /// Whether the group was just made.
        made: bool,
        /// Why not.
        source: io::Error,
    },
    /// A message has at least one byte, and is not a single NUL, which is the empty string.
    EmptyMessage,
    /// The message is larger than the group's `max_message_size`.
    MessageTooLarge {
        /// How many bytes it has.
        size: usize,
    },
    /// There is no room for the message, for now: the messages that the group has leave too
    /// little of its `max_storage_size`.
    StorageFull,
    /// A signal came while waiting.
    Interrupted,
    /// One of the group's attributes could not be read or written.
    Attribute {
        /// The attribute's file.
        path: PathBuf,
        /// What could not be done with it.
        stage: Stage,
        /// Why not.
        source: io::Error,
    },
    /// Anything else that the kernel refused.
    Os {
        /// What was to be done.
        action: &'static str,
        /// Why it was not.
        source: io::Error,
    },
}

/// How far an access to an attribute came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It could not be opened.
    Open,
    /// It could not be read, or is not a number.
    Read,
    /// It could not be written.
    Write,
}

impl Error {
    /// The error number, as in errno(3).
    pub fn errno(&self) -> i32 {
        match self {
            Self::InvalidId => Errno::INVAL.raw_os_error(),
            Self::NoGroupsLeft => Errno::DQUOT.raw_os_error(),
            Self::EmptyMessage => Errno::BADMSG.raw_os_error(),
            Self::MessageTooLarge { .. } => Errno::MSGSIZE.raw_os_error(),
            Self::StorageFull => Errno::NOSPC.raw_os_error(),
            Self::Interrupted => Errno::INTR.raw_os_error(),
            Self::NotLoaded { source }
            | Self::Install { source }
            | Self::Device { source, .. }
            | Self::Attribute { source, .. }
            | Self::Os { source, .. } => source.raw_os_error().unwrap_or(Errno::IO.raw_os_error()),
        }
    }

    /// For calls that are not explained any further.
    pub(crate) fn os(action: &'static str) -> impl Fn(Errno) -> Self {
        move |err| match err {
            Errno::INTR => Self::Interrupted,
            err => Self::Os {
                action,
                source: err.into(),
            },
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoaded { source } if source.kind() == io::ErrorKind::NotFound => {
                write!(
                    f,
                    "the groups module is not loaded: run scripts/install.sh, or modprobe groups if it is installed"
                )
            }
            Self::NotLoaded { source } => {
                write!(
                    f,
                    "cannot open the first group's device, /dev/group0: {source}"
                )
            }
            Self::InvalidId => write!(
                f,
                "a group's id has 1 to 32 bytes, none of them NUL: choose another one"
            ),
            Self::NoGroupsLeft => write!(
                f,
                "no more groups can be made: load the module with a larger max_groups"
            ),
            Self::Install { source } => write!(f, "the module did not make the group: {source}"),
            Self::Device { path, source, .. } => write!(
                f,
                "the group is there, but {} cannot be opened: {source}",
                path.display()
            ),
            Self::EmptyMessage => write!(
                f,
                "a message has at least one byte, and is not a single NUL: send something"
            ),
            Self::MessageTooLarge { size } => write!(
                f,
                "a message of {size} bytes is larger than the group's max_message_size: send less at a time, or have root raise it"
            ),
            Self::StorageFull => write!(
                f,
                "the group has no room for the message: receive some, wait until somebody does, or have root raise its max_storage_size"
            ),
            Self::Interrupted => write!(
                f,
                "a signal came while waiting: call again if you still want to"
            ),
            Self::Attribute {
                path,
                stage,
                source,
            } => {
                let path = path.display();
                match stage {
                    Stage::Open if source.kind() == io::ErrorKind::PermissionDenied => {
                        write!(f, "only root may change {path}: try again as root")
                    }
                    Stage::Open => write!(f, "cannot open {path}: {source}"),
                    Stage::Read => write!(f, "cannot read {path}: {source}"),
                    Stage::Write => write!(f, "cannot write {path}: {source}"),
                }
            }
            Self::Os { action, source } => write!(f, "cannot {action}: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotLoaded { source }
            | Self::Install { source }
            | Self::Device { source, .. }
            | Self::Attribute { source, .. }
            | Self::Os { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<Error> for io::Error {
    fn from(err: Error) -> Self {
        let kind = Self::from_raw_os_error(err.errno()).kind();
        Self::new(kind, err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_io_error_of_it_has_its_kind_and_its_words() {
        let err = io::Error::from(Error::StorageFull);
        assert_eq!(err.kind(), io::ErrorKind::StorageFull);
        assert!(err.to_string().contains("max_storage_size"));
        assert_eq!(
            io::Error::from(Error::Interrupted).kind(),
            io::ErrorKind::Interrupted
        );
    }

    #[test]
    fn what_is_missing_is_said() {
        let err = Error::NotLoaded {
            source: io::ErrorKind::NotFound.into(),
        };
        assert!(err.to_string().contains("scripts/install.sh"));
        assert!(std::error::Error::source(&err).is_some());
        assert_eq!(Error::NoGroupsLeft.errno(), 122);
    }
}
