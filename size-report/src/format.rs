//! Formats and parses numbers for people.

/// `12345` as `12,345`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The way from `before` to `after`: `+12`, `-3`, `0`.
pub fn change(before: u64, after: u64) -> String {
    match after.cmp(&before) {
        std::cmp::Ordering::Equal => "0".to_string(),
        std::cmp::Ordering::Greater => format!("+{}", thousands(after - before)),
        std::cmp::Ordering::Less => format!("-{}", thousands(before - after)),
    }
}

/// A number that may not be there.
pub fn or_dash(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_string(), thousands)
}

/// Reads a number of bytes as people write it: `2048`, `2,048`, `2KiB`, `1.5 KiB`, `2kB`.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let help = || format!("{text:?} is not a number of bytes; write 2048, 2KiB or 2kB");
    let text = text.trim();
    let end = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kib" | "k" => 1024.0,
        "kb" => 1000.0,
        "mib" | "m" => 1024.0 * 1024.0,
        "mb" => 1000.0 * 1000.0,
        _ => return Err(help()),
    };
    let number: f64 = number
        .trim()
        .replace([',', '_'], "")
        .parse()
        .map_err(|_| help())?;
    let bytes = number * factor;
    if !(0.0..=1e15).contains(&bytes) {
        return Err(help());
    }
    // Fractions of a byte are dropped: a budget of 1.5 KiB is 1536, one of 0.3 KiB is 307.
    Ok(bytes.floor() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1234567, "1,234,567"),
        ] {
            assert_eq!(thousands(number), text);
        }
        assert_eq!(change(10, 10), "0");
        assert_eq!(change(10, 1210), "+1,200");
        assert_eq!(change(10, 7), "-3");
        assert_eq!(or_dash(None), "-");
    }

    #[test]
    fn bytes_as_people_write_them() {
        for (text, bytes) in [
            ("2KiB", 2048),
            ("2 kB", 2000),
            ("1.5KiB", 1536),
            ("2,048", 2048),
            ("0.3 KiB", 307),
            ("64b", 64),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "KiB", "2 GiB", "-1", "two", "NaN"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
