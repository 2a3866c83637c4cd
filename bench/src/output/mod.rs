// SPDX-License-Identifier: GPL-2.0

//! What results become: tables, files, pictures, pages.

pub mod csv;
pub mod curves;
pub mod heat_map;
pub mod page;
pub mod picture;
pub mod table;
pub mod tables;

use crate::results::Unit;

/// A number for people: four digits or so, thousands apart.
pub fn number(value: f64) -> String {
    if value.abs() < 100.0 && value.fract() != 0.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::from(if value <= -0.5 { "-" } else { "" });
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A value for people, in the unit that [`unit`] names.
pub fn value(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Nanoseconds | Unit::MessagesPerSecond if value < 99_950.0 => {
            format!("{:.1}", value / 1000.0)
        }
        Unit::Nanoseconds | Unit::MessagesPerSecond => number((value / 1000.0).round()),
        Unit::Instructions | Unit::Bytes => number(value),
    }
}

/// In what [`value`] says it.
pub fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Instructions => "instructions",
        Unit::Nanoseconds => "µs",
        Unit::MessagesPerSecond => "thousands a second",
        Unit::Bytes => "bytes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_and_grouped() {
        for (value, text) in [
            (0.0, "0"),
            (7.0, "7"),
            (7.25, "7.2"),
            (99.96, "100.0"),
            (999.6, "1,000"),
            (1_234_567.0, "1,234,567"),
            (-1234.4, "-1,234"),
            (-0.2, "-0.2"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn values_are_in_their_unit() {
        assert_eq!(value(12_345.0, Unit::Nanoseconds), "12.3");
        assert_eq!(value(1_234_567.0, Unit::Nanoseconds), "1,235");
        assert_eq!(value(7000.0, Unit::Nanoseconds), "7.0");
        assert_eq!(value(99_960.0, Unit::Nanoseconds), "100");
        assert_eq!(value(54_321.0, Unit::MessagesPerSecond), "54.3");
        assert_eq!(value(2245.4, Unit::Instructions), "2,245");
    }
}
