// SPDX-License-Identifier: GPL-2.0

//! What the kernel tells about the groups that there are.

use crate::limits::{self, CLASS, Limits};
use crate::{Error, Result, Stage};
use std::io;

/// A group, as the kernel shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupInfo {
    /// The group's number, in order of installation.
    pub number: u32,
    /// The group's id. Not text: any bytes but NUL.
    pub id: Vec<u8>,
    /// The group's limits.
    pub limits: Limits,
}

impl GroupInfo {
    /// The name of the group's device, without a path.
    pub fn device_name(&self) -> String {
        format!("group{}", self.number)
    }
}

/// The groups that there are, in order of installation. It opens no device, so it disturbs
/// nobody.
///
/// ```no_run
/// # fn main() -> Result<(), lgroups::Error> {
/// for group in lgroups::list()? {
///     println!("{} {}", group.device_name(), group.id.escape_ascii());
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`Error::NotLoaded`], [`Error::Attribute`]
pub fn list() -> Result<Vec<GroupInfo>> {
    let mut groups = Vec::new();
    for number in numbers()? {
        if let Some(info) = still_there(info(number))? {
            groups.push(info);
        }
    }
    Ok(groups)
}

/// The name of the device of the group with this id, if there is one.
pub(crate) fn find(id: &[u8]) -> Result<Option<String>> {
    for number in numbers()? {
        let name = format!("group{number}");
        if still_there(read_id(&name))?.is_some_and(|its| its == id) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn numbers() -> Result<Vec<u32>> {
    let not_loaded = |source| Error::NotLoaded { source };
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(CLASS).map_err(not_loaded)? {
        let name = entry.map_err(not_loaded)?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("group"));
        numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn info(number: u32) -> Result<GroupInfo> {
    let name = format!("group{number}");
    Ok(GroupInfo {
        number,
        id: read_id(&name)?,
        limits: limits::read(&name)?,
    })
}

/// The id, which may have newlines of its own, and a newline.
fn read_id(device: &str) -> Result<Vec<u8>> {
    let mut id = limits::read_attribute(&limits::path(device, "id"))?;
    if id.last() == Some(&b'\n') {
        id.pop();
    }
    Ok(id)
}

/// A group that goes while it is looked at (the module is being unloaded) is no error.
fn still_there<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(Error::Attribute {
            stage: Stage::Open,
            source,
            ..
        }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        // ENODEV, from the attribute of a device that is gone.
        Err(Error::Attribute { source, .. }) if source.raw_os_error() == Some(19) => Ok(None),
        result => result.map(Some),
    }
}
