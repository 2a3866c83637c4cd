// SPDX-License-Identifier: GPL-2.0

//! The module's places: where its code calls the tracer. They are read from groups.ko, which says
//! by relocations where these calls are, and found again in the kernel by the addresses to which
//! the module's sections were loaded.

use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionKind};
use std::fs;
use std::path::Path;

/// One of the module's sections that has code.
struct Section {
    name: String,
    size: u64,
    /// Where it was loaded to. `None`: nobody knows.
    address: Option<u64>,
    /// Which place each offset belongs to, for those that belong to one.
    places: Vec<Option<u32>>,
}

/// The places of the module, numbered from 0.
pub struct Sites {
    sections: Vec<Section>,
    /// Section and offset of each place.
    places: Vec<(usize, u64)>,
}

impl Sites {
    /// The places in this file. None: it was not built for KCOV.
    pub fn read(module: &Path) -> Result<Self, String> {
        let explain = |err: &dyn std::fmt::Display| format!("{}: {err}", module.display());
        let data = fs::read(module).map_err(|err| explain(&err))?;
        let file = object::File::parse(&*data).map_err(|err| explain(&err))?;
        let mut sites = Self {
            sections: Vec::new(),
            places: Vec::new(),
        };
        for section in file.sections() {
            if section.kind() != SectionKind::Text || section.size() == 0 {
                continue;
            }
            let name = section.name().map_err(|err| explain(&err))?.to_owned();
            let mut places = vec![None; section.size() as usize + 1];
            let mut offsets: Vec<u64> = section
                .relocations()
                .filter(|(_, relocation)| match relocation.target() {
                    RelocationTarget::Symbol(index) => file
                        .symbol_by_index(index)
                        .is_ok_and(|symbol| symbol.name() == Ok("__sanitizer_cov_trace_pc")),
                    _ => false,
                })
                // What is relocated are the 4 bytes that the call instruction ends with; the
                // tracer sees the address that it returns to.
                .map(|(offset, _)| offset + 4)
                .collect();
            offsets.sort_unstable();
            for offset in offsets {
                places[offset as usize] = Some(sites.places.len() as u32);
                sites.places.push((sites.sections.len(), offset));
            }
            sites.sections.push(Section {
                name,
                size: section.size(),
                address: None,
                places,
            });
        }
        Ok(sites)
    }

    /// Asks the kernel where the loaded module's sections are. An error: it does not say.
    pub fn locate(&mut self) -> Result<(), String> {
        for section in &mut self.sections {
            let path = format!("/sys/module/groups/sections/{}", section.name);
            let text = fs::read_to_string(&path).unwrap_or_default();
            let digits = text.trim().trim_start_matches("0x");
            section.address = u64::from_str_radix(digits, 16).ok().filter(|&at| at != 0);
        }
        if self
            .sections
            .iter()
            .any(|section| section.address.is_some())
        {
            Ok(())
        } else {
            Err("/sys/module/groups/sections does not say where the module is".to_owned())
        }
    }

    /// The place with this address.
    pub fn find(&self, address: u64) -> Option<usize> {
        self.sections.iter().find_map(|section| {
            let offset = address.checked_sub(section.address?)?;
            if offset > section.size {
                return None;
            }
            section.places[offset as usize].map(|place| place as usize)
        })
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Each place's section, and its offset in that.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        let places = self.places.iter();
        places.map(|&(section, offset)| (self.sections[section].name.as_str(), offset))
    }
}
