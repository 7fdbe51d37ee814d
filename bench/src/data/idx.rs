//! The IDX files of MNIST and of the sets that follow it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::download::{PublicSet, Remote};
use super::locate::Shelf;
use super::{DataError, ImageSet, ImageShape, Source, SplitKind};

/// A set of four files: training images and labels, test images and labels.
pub(super) struct IdxSet {
    set: PublicSet,
    files: [Remote; 4],
    classes: [&'static str; 10],
}

const FILES: [&str; 4] = [
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
];

const fn files(sums: [&'static str; 4], of_content: bool) -> [Remote; 4] {
    let [a, b, c, d] = sums;
    [
        Remote {
            name: FILES[0],
            sha256: a,
            of_content,
        },
        Remote {
            name: FILES[1],
            sha256: b,
            of_content,
        },
        Remote {
            name: FILES[2],
            sha256: c,
            of_content,
        },
        Remote {
            name: FILES[3],
            sha256: d,
            of_content,
        },
    ]
}

/// Handwritten digits.
pub(super) const MNIST: IdxSet = IdxSet {
    set: PublicSet {
        name: "mnist",
        page: "https://storage.googleapis.com/cvdf-datasets/mnist/",
        base: "https://storage.googleapis.com/cvdf-datasets/mnist/",
    },
    files: files(
        [
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ],
        false,
    ),
    classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
};

/// Pictures of clothes.
pub(super) const FASHION: IdxSet = IdxSet {
    set: PublicSet {
        name: "fashion-mnist",
        page: "https://github.com/zalandoresearch/fashion-mnist",
        base: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    },
    files: files(
        [
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ],
        true,
    ),
    classes: [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ],
};

/// Loads both parts, from plain or gzipped files.
pub(super) fn load(set: &IdxSet, shelf: &Shelf<'_>) -> Result<Source, DataError> {
    let path = |remote: &Remote| {
        let plain = remote.name.trim_end_matches(".gz");
        let dotted = plain.replace("-idx", ".idx");
        shelf.file(
            &set.set,
            remote,
            &[remote.name.into(), plain.into(), dotted],
        )
    };
    let part = |images: &Remote, labels: &Remote, part| {
        read_part(&path(images)?, &path(labels)?, &set.classes, part)
    };
    let [train_images, train_labels, test_images, test_labels] = &set.files;
    let train = part(train_images, train_labels, "train")?;
    let test = part(test_images, test_labels, "test")?;
    if train.shape() != test.shape() {
        let size = |shape: ImageShape| format!("{} x {}", shape.height, shape.width);
        let (expected, got) = (size(train.shape()), size(test.shape()));
        let (path, other) = (path(test_images)?, path(train_images)?);
        return Err(DataError::ShapeMismatch {
            path,
            got,
            other,
            expected,
        });
    }
    Ok(Source {
        train,
        test: Some((test, SplitKind::Given)),
        left_out: 0,
    })
}

fn read_part(
    images: &Path,
    labels: &Path,
    classes: &[&str],
    part: &str,
) -> Result<ImageSet, DataError> {
    let ([n, height, width], pixels) = read(images)?;
    let ([count], bytes) = read(labels)?;
    if n != count {
        let (path, labels_path) = (images.into(), labels.into());
        return Err(DataError::CountMismatch {
            path,
            count: n,
            labels_path,
            labels: count,
        });
    }
    if n * height * width == 0 {
        return Err(DataError::Empty {
            what: images.display().to_string(),
        });
    }
    let numbers: Vec<u32> = bytes.into_iter().map(u32::from).collect();
    if let Some(record) = numbers
        .iter()
        .position(|&label| label as usize >= classes.len())
    {
        let (path, label, classes) = (labels.into(), numbers[record], classes.len());
        return Err(DataError::Label {
            path,
            record,
            label,
            classes,
        });
    }
    let ids = (0..n).map(|i| format!("{part}/{i:05}")).collect();
    let names = classes.iter().map(|&name| name.into()).collect();
    ImageSet::new(
        ImageShape {
            channels: 1,
            height,
            width,
        },
        pixels,
        numbers,
        names,
        ids,
    )
}

fn read<const D: usize>(path: &Path) -> Result<([usize; D], Vec<u8>), DataError> {
    let mut file = BufReader::new(File::open(path).map_err(DataError::io(path))?);
    let gzipped = file
        .fill_buf()
        .map_err(DataError::io(path))?
        .starts_with(&[0x1f, 0x8b]);
    match gzipped {
        true => parse(path, MultiGzDecoder::new(file)),
        false => parse(path, file),
    }
}

/// An array of `D` axes of bytes: sizes and content.
fn parse<const D: usize>(
    path: &Path,
    mut from: impl Read,
) -> Result<([usize; D], Vec<u8>), DataError> {
    let wrong = |got| DataError::Format {
        path: path.into(),
        expected: "an IDX file of bytes",
        got,
    };
    let head = take(path, &mut from, 4 + 4 * D as u64)?;
    let (magic, sizes) = head.split_at(4);
    if magic != [0, 0, 8, D as u8] {
        return Err(wrong(format!(
            "magic {magic:02x?} instead of [00, 00, 08, {D:02x}]"
        )));
    }
    let mut shape = [0; D];
    for (size, bytes) in shape.iter_mut().zip(sizes.as_chunks::<4>().0) {
        *size = u32::from_be_bytes(*bytes) as usize;
    }
    let bytes = shape
        .iter()
        .try_fold(1_u64, |product, &size| product.checked_mul(size as u64));
    let bytes = bytes
        .filter(|&b| b < isize::MAX as u64)
        .ok_or_else(|| wrong(format!("sizes {shape:?}")))?;
    let data = take(path, &mut from, bytes)?;
    match from.read(&mut [0]).map_err(DataError::io(path))? {
        0 => Ok((shape, data)),
        _ => Err(DataError::Excess {
            path: path.into(),
            expected: bytes + head.len() as u64,
        }),
    }
}

/// Exactly `expected` bytes. Memory grows with what is there, not with what a header claims.
fn take(path: &Path, from: &mut impl Read, expected: u64) -> Result<Vec<u8>, DataError> {
    let mut data = Vec::new();
    let end = from.take(expected).read_to_end(&mut data);
    let got = data.len() as u64;
    match end {
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(DataError::Io {
            path: path.into(),
            source: error,
        }),
        _ if got < expected => Err(DataError::Truncated {
            path: path.into(),
            expected,
            got,
        }),
        _ => Ok(data),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(bytes: &[u8]) -> Result<([usize; 1], Vec<u8>), DataError> {
        parse(Path::new("labels"), bytes)
    }

    #[test]
    fn each_fault_of_a_file_is_told_apart() {
        assert_eq!(
            labels(&[0, 0, 8, 1, 0, 0, 0, 2, 7, 9]).unwrap(),
            ([2], vec![7, 9])
        );
        let fault = |bytes: &[u8]| labels(bytes).unwrap_err().to_string();
        assert_eq!(
            fault(&[0, 0, 8]),
            "labels: truncated: expected 8 bytes, got 3"
        );
        assert!(fault(&[0, 0, 8, 3, 0, 0, 0, 0]).contains("not an IDX file of bytes: got magic"));
        assert!(fault(&[0, 0, 8, 1, 0, 0, 0, 2, 7]).contains("expected 2 bytes, got 1"));
        assert!(fault(&[0, 0, 8, 1, 0, 0, 0, 1, 7, 9]).contains("more data than the 9 bytes"));
        let huge = [[0, 0, 8, 3], [255; 4], [255; 4], [255; 4]].concat();
        let error = parse::<3>(Path::new("images"), &huge[..]).unwrap_err();
        assert!(matches!(error, DataError::Format { .. }));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(head in any::<bool>(), bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let magic: &[u8] = if head { &[0, 0, 8, 3] } else { &[] };
            let _ = parse::<3>(Path::new("x"), &[magic, &bytes].concat()[..]);
        }
    }
}
