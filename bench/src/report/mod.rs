//! What a finished run shows: a map of the embedding, a gallery of neighbours, a table of scores.

mod canvas;
mod error;
mod gallery;
mod map;
mod projection;
mod table;

pub use error::ReportError;
pub use gallery::{GalleryImage, GalleryRow, draw_gallery};
pub use map::{MapPanel, draw_map};
pub use projection::principal_plane;
pub use table::{ScoreRow, scores_table};
