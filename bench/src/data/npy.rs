//! Matrices in the `.npy` format of `NumPy`.

use std::fs;
use std::path::Path;

use ndarray::{Array2, ArrayView2, ShapeBuilder};

use super::DataError;
use crate::whole_file::write_whole;

const MAGIC: &[u8] = b"\x93NUMPY";

/// Reads a matrix of little-endian `f4` or `f8` numbers, in C or Fortran order, from a file of format
/// version 1, 2 or 3.
///
/// # Errors
/// If the file is missing or truncated, or holds anything else.
pub fn read_npy(path: &Path) -> Result<Array2<f32>, DataError> {
    parse(path, &fs::read(path).map_err(DataError::io(path))?)
}

/// Writes a matrix as `<f4` in C order, format version 1.
///
/// # Errors
/// If the file cannot be written; what was there before then stays.
pub fn write_npy(path: &Path, matrix: ArrayView2<'_, f32>) -> Result<(), DataError> {
    let (rows, columns) = matrix.dim();
    let mut head =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    // The numbers start at a multiple of 64 bytes, after a line feed.
    let start = (MAGIC.len() + 4 + head.len() + 1).next_multiple_of(64);
    let length = start - MAGIC.len() - 4;
    head += &" ".repeat(length - 1 - head.len());
    head.push('\n');
    write_whole(path, |file| {
        file.write_all(MAGIC)?;
        file.write_all(&[1, 0])?;
        file.write_all(&(length as u16).to_le_bytes())?;
        file.write_all(head.as_bytes())?;
        matrix
            .iter()
            .try_for_each(|value| file.write_all(&value.to_le_bytes()))
    })
    .map_err(|source| DataError::Io {
        path: path.into(),
        source,
    })
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Array2<f32>, DataError> {
    let wrong = |expected, got: String| DataError::Format {
        path: path.into(),
        expected,
        got,
    };
    let short = |expected: usize| DataError::Truncated {
        path: path.into(),
        expected: expected as u64,
        got: bytes.len() as u64,
    };
    if !bytes.starts_with(MAGIC) {
        let got = format!(
            "first bytes {:02x?}",
            &bytes[..bytes.len().min(MAGIC.len())]
        );
        return Err(wrong("a .npy file", got));
    }
    let (start, length) = match bytes.get(6..12).ok_or_else(|| short(12))? {
        &[1, _, a, b, _, _] => (10, usize::from(u16::from_le_bytes([a, b]))),
        &[2 | 3, _, a, b, c, d] => (12, u32::from_le_bytes([a, b, c, d]) as usize),
        other => {
            return Err(wrong(
                "a .npy file of version 1 to 3",
                format!("{}", other[0]),
            ));
        }
    };
    let head = bytes
        .get(start..start + length)
        .ok_or_else(|| short(start + length))?;
    let head = String::from_utf8_lossy(head);
    let body = &bytes[start + length..];

    let size = match field(&head, "descr") {
        Some("'<f4'" | "\"<f4\"") => 4,
        Some("'<f8'" | "\"<f8\"") => 8,
        other => return Err(wrong("numbers of type <f4 or <f8", or_nothing(other))),
    };
    let fortran = match field(&head, "fortran_order") {
        Some("True") => true,
        Some("False") => false,
        other => {
            return Err(wrong(
                "a .npy header that states an order",
                or_nothing(other),
            ));
        }
    };
    let shape = field(&head, "shape");
    let Some((rows, columns)) = shape.and_then(matrix_shape) else {
        return Err(wrong(
            "a matrix of two axes",
            format!("shape {}", or_nothing(shape)),
        ));
    };
    let expected = rows
        .checked_mul(columns)
        .and_then(|count| count.checked_mul(size));
    let too_big = || {
        wrong(
            "a matrix that fits in memory",
            format!("{rows} x {columns}"),
        )
    };
    let expected = expected
        .filter(|&e| e < isize::MAX as usize / 2)
        .ok_or_else(too_big)?;
    if body.len() < expected {
        return Err(short(start + length + expected));
    }
    if body.len() > expected {
        let expected = (start + length + expected) as u64;
        return Err(DataError::Excess {
            path: path.into(),
            expected,
        });
    }
    let values: Vec<f32> = match size {
        4 => body
            .as_chunks()
            .0
            .iter()
            .map(|&b| f32::from_le_bytes(b))
            .collect(),
        _ => body
            .as_chunks()
            .0
            .iter()
            .map(|&b| f64::from_le_bytes(b) as f32)
            .collect(),
    };
    // An empty matrix may still announce more rows than an array can have.
    Array2::from_shape_vec((rows, columns).set_f(fortran), values).map_err(|_| too_big())
}

fn or_nothing(value: Option<&str>) -> String {
    value.unwrap_or("nothing").to_owned()
}

/// The text of a field of the header, a Python dictionary.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let quoted = [format!("'{name}':"), format!("\"{name}\":")];
    let at = quoted
        .iter()
        .find_map(|key| head.find(key).map(|at| at + key.len()))?;
    let value = head[at..].trim_start();
    let end = match value.starts_with('(') {
        true => value.find(')')? + 1,
        false => value.find([',', '}'])?,
    };
    Some(value[..end].trim_end())
}

fn matrix_shape(text: &str) -> Option<(usize, usize)> {
    let inside = text.strip_prefix('(')?.strip_suffix(')')?;
    let inside = inside.trim().trim_end_matches(',');
    let sizes: Option<Vec<usize>> = inside.split(',').map(|s| s.trim().parse().ok()).collect();
    match sizes?[..] {
        [rows, columns] => Some((rows, columns)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;

    fn file(version: u8, head: &str, body: &[u8]) -> Vec<u8> {
        let mut bytes = [MAGIC, &[version, 0]].concat();
        match version {
            1 => bytes.extend((head.len() as u16).to_le_bytes()),
            _ => bytes.extend((head.len() as u32).to_le_bytes()),
        }
        [&bytes, head.as_bytes(), body].concat()
    }

    fn head(descr: &str, fortran: &str, shape: &str) -> String {
        format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n")
    }

    #[test]
    fn types_orders_and_versions_are_read() {
        let expected = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
        let doubles = |values: [f64; 6]| values.map(f64::to_le_bytes).concat();
        let c = doubles([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let f = doubles([1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        for version in [1, 2, 3] {
            let bytes = file(version, &head("<f8", "False", "(2, 3)"), &c);
            assert_eq!(parse(Path::new("x"), &bytes).unwrap(), expected);
        }
        let bytes = file(1, &head("<f8", "True", "(2, 3)"), &f);
        assert_eq!(parse(Path::new("x"), &bytes).unwrap(), expected);
    }

    #[test]
    fn each_fault_is_told_apart() {
        let fault = |bytes: &[u8]| parse(Path::new("x"), bytes).unwrap_err().to_string();
        assert!(fault(b"PK\x03\x04....").contains("not a .npy file"));
        assert!(fault(b"\x93NUMPY\x01").contains("truncated"));
        assert!(fault(&file(9, "", b"....")).contains("version 1 to 3: got 9"));
        assert!(fault(&file(1, &head("<i8", "False", "(1, 1)"), &[0; 8])).contains("got '<i8'"));
        assert!(fault(&file(1, &head("<f4", "False", "(2,)"), &[0; 8])).contains("shape (2,)"));
        assert!(fault(&file(1, &head("<f4", "False", "(2, 1)"), &[0; 7])).contains("truncated"));
        assert!(fault(&file(1, &head("<f4", "False", "(2, 1)"), &[0; 9])).contains("more data"));
        let huge = format!("(0, {})", usize::MAX);
        assert!(fault(&file(1, &head("<f4", "False", &huge), &[])).contains("fits in memory"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(rows in 0_usize..5, columns in 1_usize..40) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.npy");
            let matrix = Array2::from_shape_fn((rows, columns), |(i, j)| i as f32 - j as f32 / 3.0);
            write_npy(&path, matrix.view()).unwrap();
            prop_assert_eq!(read_npy(&path).unwrap(), matrix);
        }

        #[test]
        fn no_bytes_panic(
            kept in 0_usize..90,
            version in 0_u8..5,
            bytes in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let whole = file(version.max(1), &head("<f4", "True", "(3, 2)"), &[0; 24]);
            let kept = kept.min(whole.len());
            let _ = parse(Path::new("x"), &[&whole[..kept], &bytes].concat());
        }

        #[test]
        fn no_header_panics(text in ".{0,40}", shape in "[(0-9, )]{0,24}") {
            let _ = parse(Path::new("x"), &file(1, &head("<f4", "False", &shape), &[0; 16]));
            let _ = parse(Path::new("x"), &file(2, &text, &[0; 16]));
        }
    }
}
