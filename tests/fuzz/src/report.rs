// SPDX-License-Identifier: GPL-2.0

//! Says, on the host, which of the module's code a run has reached, and what not: by file,
//! function and line. What the places are called is known by `addr2line`, for a module that was
//! built with line numbers; for others, by function alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// How a place was reached.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum How {
    Never,
    /// While the module was loaded or unloaded.
    Lifecycle,
    Programs,
}

/// A place in the code.
struct Place {
    how: How,
    /// The function that it is part of when it runs.
    function: String,
    /// The innermost line of the module's own sources.
    file: String,
    line: u32,
}

/// Reads the results of a run from this folder, prints a summary, and writes all of it there.
pub fn print(module: &Path, out: &Path) -> Result<(), String> {
    let places = out.join("places.txt");
    let text = fs::read_to_string(&places).map_err(|err| format!("{}: {err}", places.display()))?;
    let places = resolve(module, &text)?;
    let (summary, full) = describe(&places);
    print!("{summary}");
    let path = out.join("coverage.txt");
    fs::write(&path, summary + &full).map_err(|err| format!("{}: {err}", path.display()))?;
    println!("All of it: {}", path.display());
    Ok(())
}

/// Finds out where each place is in the sources.
fn resolve(module: &Path, text: &str) -> Result<Vec<Place>, String> {
    let mut sections: BTreeMap<&str, Vec<(u64, How)>> = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.split(' ');
        let (Some(section), Some(offset), Some(how)) =
            (fields.next(), fields.next(), fields.next())
        else {
            return Err(format!("places.txt: {line}"));
        };
        let offset = u64::from_str_radix(offset.trim_start_matches("0x"), 16);
        let offset = offset.map_err(|err| format!("places.txt: {line}: {err}"))?;
        let how = match how {
            "programs" => How::Programs,
            "lifecycle" => How::Lifecycle,
            _ => How::Never,
        };
        sections.entry(section).or_default().push((offset, how));
    }
    let clone = module.parent().unwrap_or(Path::new("/"));
    let mut places = Vec::new();
    for (section, offsets) in sections {
        let answers = addr2line(module, section, &offsets)?;
        for (&(_, how), answer) in offsets.iter().zip(answers) {
            places.push(place(how, clone, &answer));
        }
    }
    Ok(places)
}

/// Asks for the functions and lines of each offset, from the innermost out.
fn addr2line(
    module: &Path,
    section: &str,
    offsets: &[(u64, How)],
) -> Result<Vec<Vec<(String, String)>>, String> {
    let failed = |err: std::io::Error| format!("addr2line: {err}");
    let mut child = Command::new("addr2line")
        .args([
            "--functions",
            "--inlines",
            "--demangle",
            "--addresses",
            "--section",
            section,
        ])
        .arg("--exe")
        .arg(module)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut asks = String::new();
    for (offset, _) in offsets {
        // The call itself, in front of where it returns to.
        writeln!(asks, "{:#x}", offset - 1).expect("a string grows");
    }
    let mut stdin = child.stdin.take().expect("it was piped");
    let asking = std::thread::spawn(move || stdin.write_all(asks.as_bytes()));
    let output = child.wait_with_output().map_err(failed)?;
    asking.join().expect("it does not panic").map_err(failed)?;
    let mut answers: Vec<Vec<(String, String)>> = Vec::new();
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("0x") {
            answers.push(Vec::new());
        } else if let (Some(answer), Some(at)) = (answers.last_mut(), lines.next()) {
            answer.push((line.to_owned(), at.to_owned()));
        }
    }
    if answers.len() != offsets.len() {
        return Err(format!(
            "addr2line answers {} of {}",
            answers.len(),
            offsets.len()
        ));
    }
    Ok(answers)
}

fn place(how: How, clone: &Path, frames: &[(String, String)]) -> Place {
    let own = frames.iter().find_map(|(_, at)| own_source(clone, at));
    let (file, line) = own.unwrap_or_else(|| ("elsewhere".to_owned(), 0));
    let function = frames.last().map_or("?", |(name, _)| name).to_owned();
    Place {
        how,
        function,
        file,
        line,
    }
}

/// The file's name and line, if it is one of the sources in this clone.
fn own_source(clone: &Path, at: &str) -> Option<(String, u32)> {
    let (path, line) = at.split(' ').next()?.rsplit_once(':')?;
    let file = Path::new(path).strip_prefix(clone).ok()?;
    let file = file.strip_prefix("groups").unwrap_or(file);
    Some((file.to_string_lossy().into_owned(), line.parse().ok()?))
}

/// A short text for the screen, and a long one for the file.
fn describe(places: &[Place]) -> (String, String) {
    let mut lines: BTreeMap<(&str, u32), How> = BTreeMap::new();
    let mut functions: BTreeMap<&str, (usize, usize, How)> = BTreeMap::new();
    for place in places {
        if place.line > 0 {
            let line = lines.entry((&place.file, place.line)).or_insert(How::Never);
            *line = (*line).max(place.how);
        }
        let function = functions
            .entry(&place.function)
            .or_insert((0, 0, How::Never));
        function.0 += usize::from(place.how == How::Programs);
        function.1 += 1;
        function.2 = function.2.max(place.how);
    }
    let mut text = String::from("Reached by programs, or (+) only by loading and unloading:\n");
    let mut tell = |what: &str, how: &mut dyn Iterator<Item = How>| {
        let mut counts = [0usize; 3];
        how.for_each(|how| counts[how as usize] += 1);
        let [never, lifecycle, programs] = counts;
        let all = never + lifecycle + programs;
        let percent = programs as f64 * 100.0 / all.max(1) as f64;
        writeln!(
            text,
            "  {what:24} {programs:5} of {all:5} ({percent:5.1} %) + {lifecycle}"
        )
        .expect("a string grows");
    };
    tell("places", &mut places.iter().map(|place| place.how));
    tell(
        "functions",
        &mut functions.values().map(|function| function.2),
    );
    tell("lines", &mut lines.values().copied());
    let files: BTreeSet<_> = lines.keys().map(|(file, _)| *file).collect();
    for file in files {
        let of_file = lines.iter().filter(|((name, _), _)| *name == file);
        tell(file, &mut of_file.map(|(_, how)| *how));
    }
    (text, unreached(places, &functions))
}

fn unreached(places: &[Place], functions: &BTreeMap<&str, (usize, usize, How)>) -> String {
    let mut text =
        String::from("\nPlaces never reached: the line, and the function that it is part of\n");
    let never = places.iter().filter(|place| place.how == How::Never);
    let never: BTreeSet<_> = never.map(|p| (&p.file, p.line, &p.function)).collect();
    for (file, line, function) in never {
        writeln!(text, "  {file}:{line}  {function}").expect("a string grows");
    }
    text += "\nFunctions never reached:\n";
    for (name, _) in functions
        .iter()
        .filter(|(_, function)| function.2 == How::Never)
    {
        writeln!(text, "  {name}").expect("a string grows");
    }
    text += "\nPlaces reached by programs, by function:\n";
    for (name, (reached, all, _)) in functions {
        writeln!(text, "  {reached:4} of {all:4}  {name}").expect("a string grows");
    }
    text
}
