use std::path::PathBuf;

/// Why a picture could not be drawn or saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The file could not be written: missing folder, full disk, no permission.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The picture's file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The pixels could not be encoded as PNG.
    #[error("cannot encode {}: {source}", path.display())]
    Encode {
        /// The picture's file.
        path: PathBuf,
        /// What the encoder said.
        source: image::ImageError,
    },
    /// Drawing failed before anything was written.
    #[error("cannot draw {}: {source}", path.display())]
    Draw {
        /// The picture's file.
        path: PathBuf,
        /// What the drawing library said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The picture would have more pixels along a side than a picture may have.
    #[error("{} would be {width} x {height} pixels, at most {limit} a side are drawn", path.display())]
    TooLarge {
        /// The picture's file.
        path: PathBuf,
        /// Width asked for.
        width: usize,
        /// Height asked for.
        height: usize,
        /// Largest side allowed.
        limit: usize,
    },
    /// A map panel's points do not match the labels, or are not points of a plane.
    #[error(
        "{}: panel {panel} is [{rows}, {columns}], expected [{labels}, 2]: one point a label",
        path.display()
    )]
    PanelShape {
        /// The picture's file.
        path: PathBuf,
        /// Position of the panel, from 0.
        panel: usize,
        /// Its number of points.
        rows: usize,
        /// Its number of coordinates.
        columns: usize,
        /// Number of labels.
        labels: usize,
    },
    /// An image of the gallery has the wrong number of bytes, or neither 1 nor 3 channels.
    #[error(
        "{}: image {index} has {bytes} bytes for {channels} x {height} x {width}, expected one byte \
         a value and 1 or 3 channels",
        path.display()
    )]
    ImageShape {
        /// The picture's file.
        path: PathBuf,
        /// Index of the image.
        index: usize,
        /// Bytes it came with.
        bytes: usize,
        /// Channels it claims.
        channels: usize,
        /// Height it claims.
        height: usize,
        /// Width it claims.
        width: usize,
    },
}
