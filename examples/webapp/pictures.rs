//! Pictures on the disk: `pictures/ID` as it was uploaded, and `pictures/ID-EDGE.jpg` its
//! thumbnails.

use std::{
    fmt, fs,
    io::{self, Cursor},
    path::{Path, PathBuf},
};

use image::{
    DynamicImage, ImageDecoder, ImageReader, ImageResult, Limits, codecs::jpeg::JpegEncoder,
    imageops::FilterType,
};
use uuid::Uuid;

/// Pixels on a side; more is refused before anything is decoded.
const MOST_PIXELS: u32 = 12_000;

/// JPEG quality of the thumbnails, of 100.
const QUALITY: u8 = 82;

/// The longest side of a thumbnail, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edge(u32);

impl Edge {
    /// All that are made, the largest first.
    pub(crate) const ALL: [Self; 3] = [Self(1280), Self(640), Self(320)];

    /// The edge of so many pixels, if it is one that is made.
    pub(crate) fn find(pixels: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|edge| edge.0 == pixels)
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The folder of the pictures.
#[derive(Clone, Debug)]
pub(crate) struct Pictures(PathBuf);

impl Pictures {
    /// The folder `pictures` in `data`, made if it is missing.
    pub(crate) fn open(data: &Path) -> io::Result<Self> {
        let folder = data.join("pictures");
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    /// Whether the bytes begin as a JPEG or PNG of a bearable size. What follows is not looked at.
    pub(crate) fn check(bytes: &[u8]) -> ImageResult<()> {
        reader(bytes)?.into_dimensions().map(drop)
    }

    /// Keeps an upload.
    pub(crate) fn keep(&self, id: Uuid, bytes: &[u8]) -> io::Result<()> {
        self.write(&self.original(id), bytes)
    }

    /// Forgets an upload.
    pub(crate) fn forget(&self, id: Uuid) -> io::Result<()> {
        fs::remove_file(self.original(id))
    }

    /// The bytes of an upload.
    pub(crate) fn read(&self, id: Uuid) -> io::Result<Vec<u8>> {
        fs::read(self.original(id))
    }

    /// A picture turned the way that the camera was held.
    pub(crate) fn decode(bytes: &[u8]) -> ImageResult<DynamicImage> {
        let mut decoder = reader(bytes)?.into_decoder()?;
        let orientation = decoder.orientation()?;
        let mut picture = DynamicImage::from_decoder(decoder)?;
        picture.apply_orientation(orientation);
        Ok(picture)
    }

    /// Scales a picture down to fit into a square, keeps it as a JPEG and gives it. A smaller one
    /// keeps its size.
    pub(crate) fn write_thumbnail(
        &self,
        id: Uuid,
        edge: Edge,
        picture: &DynamicImage,
    ) -> ImageResult<DynamicImage> {
        let side = edge.0.min(picture.width().max(picture.height()));
        let thumbnail = picture.resize(side, side, FilterType::Triangle).into_rgb8();
        let mut bytes = Vec::new();
        thumbnail.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, QUALITY))?;
        self.write(&self.thumbnail(id, edge), &bytes)?;
        Ok(thumbnail.into())
    }

    /// Where a thumbnail is.
    pub(crate) fn thumbnail(&self, id: Uuid, edge: Edge) -> PathBuf {
        self.0.join(format!("{id}-{edge}.jpg"))
    }

    fn original(&self, id: Uuid) -> PathBuf {
        self.0.join(id.to_string())
    }

    /// Writes a file that is there as a whole or not at all.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let unfinished = self.0.join(format!("{}.part", Uuid::new_v4()));
        fs::write(&unfinished, bytes)?;
        fs::rename(&unfinished, path)
    }
}

fn reader(bytes: &[u8]) -> ImageResult<ImageReader<Cursor<&[u8]>>> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_PIXELS);
    limits.max_image_height = Some(MOST_PIXELS);
    reader.limits(limits);
    Ok(reader)
}
