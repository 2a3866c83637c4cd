// SPDX-License-Identifier: GPL-2.0

//! The programs that ran last, in files: so that they are known when the kernel dies.
//!
//! The files are in a folder that the guest shares with its host; what was written there is the
//! host's, whatever becomes of the guest.

use crate::program::Program;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How many are kept.
const KEPT: u64 = 64;
/// How long a file is, so that writing it is one call. No program needs more.
const SIZE: usize = 2048;

/// The files of the programs that ran last.
pub struct Recent {
    folder: PathBuf,
    files: Vec<File>,
}

impl Recent {
    pub fn new(folder: &Path) -> io::Result<Self> {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder)?;
        let files = (0..KEPT).map(|number| {
            let mut options = OpenOptions::new();
            options.write(true).create(true);
            // Not to be kept back by the guest.
            options
                .custom_flags(libc::O_DSYNC)
                .open(path(folder, number))
        });
        Ok(Self {
            folder: folder.to_owned(),
            files: files.collect::<io::Result<_>>()?,
        })
    }

    /// Notes down a program that is about to run as this one in number.
    pub fn note(&self, number: u64, program: &Program) -> io::Result<()> {
        let mut text = format!("# program {number}\n{}", program.to_code()).into_bytes();
        text.resize(SIZE, b'\n');
        self.files[(number % KEPT) as usize].write_all_at(&text, 0)
    }

    /// Copies the programs up to this number to another folder, under names in their order.
    pub fn copy(&self, last: u64, to: &Path) -> io::Result<()> {
        let _ = fs::remove_dir_all(to);
        fs::create_dir_all(to)?;
        for number in last.saturating_sub(KEPT - 1)..=last {
            let text = fs::read_to_string(path(&self.folder, number % KEPT))?;
            let program = Program::parse(&text).map_err(io::Error::other)?;
            let text = format!("# program {number}\n{}", program.to_text());
            fs::write(to.join(format!("{number:09}.txt")), text)?;
        }
        Ok(())
    }
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:02}.txt"))
}
