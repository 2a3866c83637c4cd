// SPDX-License-Identifier: GPL-2.0

//! Inputs: programs that reach something which no other does, in memory and as files.

use crate::coverage::Coverage;
use crate::program::Program;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

/// How many inputs a minimised corpus has at the most.
const FEW: usize = 40;

/// An input and all that it reaches.
pub struct Input {
    pub program: Program,
    pub coverage: Coverage,
    /// Whether it ends by itself. Others cost more time.
    pub ends: bool,
}

/// The files with programs in a folder, or the one file that this is.
pub fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads a program.
pub fn read(path: &Path) -> Result<Program, String> {
    let text = fs::read_to_string(path).map_err(|err| format!("{}: {err}", path.display()))?;
    Program::parse(&text).map_err(|err| format!("{}: {err}", path.display()))
}

/// Writes a program into a folder, under a name of its own.
pub fn write(folder: &Path, program: &Program) -> io::Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    program.encode().hash(&mut hasher);
    let path = folder.join(format!("{:016x}.txt", hasher.finish()));
    fs::write(&path, program.to_text())?;
    Ok(path)
}

/// The inputs that are needed to reach what all of them reach: all places, and of the steps as
/// much as few inputs do.
pub fn minimise(inputs: &[Input]) -> Vec<&Input> {
    let mut reached = Coverage::default();
    let mut chosen: Vec<&Input> = Vec::new();
    loop {
        let gain = |input: &&Input| input.coverage.beyond(&reached);
        let Some(best) = inputs.iter().max_by_key(gain) else {
            return chosen;
        };
        let (places, steps) = gain(&best);
        if places == 0 && (steps == 0 || chosen.len() >= FEW) {
            return chosen;
        }
        reached.add(&best.coverage);
        chosen.push(best);
    }
}
