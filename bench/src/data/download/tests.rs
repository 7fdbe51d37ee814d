use std::io::{Error, ErrorKind};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use tempfile::TempDir;

use super::*;

/// SHA-256 of `abc`, from FIPS 180-4's examples.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const FILE: Remote = Remote {
    name: "abc.bin",
    sha256: ABC,
    of_content: false,
};
const PUBLIC: PublicSet = PublicSet {
    name: "set",
    page: "page",
    base: "http://nowhere.invalid/",
};

/// Answers one request with these bytes. Gives the mirror, and the path that was asked for.
fn serve(status: &str, length: usize, body: &[u8]) -> (Mirror, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mirror = Mirror::At(format!("http://{}/", listener.local_addr().unwrap()));
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let answer = [head.as_bytes(), body].concat();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        stream.write_all(&answer).unwrap();
        let request = String::from_utf8(request).unwrap();
        request.split(' ').nth(1).unwrap().to_owned()
    });
    (mirror, server)
}

/// Fetches into a fresh folder; a failure must leave nothing behind in it.
fn fetched(file: &Remote, mirror: &Mirror) -> Result<(TempDir, PathBuf), DataError> {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("new");
    let result = fetch(&mirror.url(&PUBLIC, file), file, &inner, false);
    let left: Vec<_> = fs::read_dir(&inner)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    match &result {
        Ok(path) => assert_eq!(&left[..], std::slice::from_ref(path)),
        Err(_) => assert!(left.is_empty(), "{left:?}"),
    }
    result.map(|path| (folder, path))
}

#[test]
fn a_right_file_is_kept_under_its_name() {
    let (mirror, server) = serve("200 OK", 3, b"abc");
    let (_folder, path) = fetched(&FILE, &mirror).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"abc");
    assert!(path.ends_with("new/abc.bin"));
    assert_eq!(server.join().unwrap(), "/set/abc.bin");
}

#[test]
fn the_checksum_may_be_that_of_the_content() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(b"abc").unwrap();
    let bytes = gzip.finish().unwrap();
    let file = Remote {
        of_content: true,
        ..FILE
    };
    let (_folder, path) = fetched(&file, &serve("200 OK", bytes.len(), &bytes).0).unwrap();
    assert_eq!(fs::read(path).unwrap(), bytes);
    // Content that is not even gzip.
    let error = fetched(&file, &serve("200 OK", 3, b"abc").0).unwrap_err();
    assert!(matches!(error, DataError::Checksum { .. }), "{error}");
}

#[test]
fn a_wrong_file_is_refused() {
    let error = fetched(&FILE, &serve("200 OK", 3, b"abd").0).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("/set/abc.bin: wrong SHA-256: expected ba78"),
        "{error}"
    );
}

#[test]
fn a_missing_file_is_told() {
    let error = fetch_status("404 Not Found");
    assert!(
        error
            .to_string()
            .contains("/set/abc.bin: download failed: http status: 404")
    );
}

fn fetch_status(status: &str) -> DataError {
    let folder = tempfile::tempdir().unwrap();
    let (mirror, _) = serve(status, 0, b"");
    let error = fetch(&mirror.url(&PUBLIC, &FILE), &FILE, folder.path(), false).unwrap_err();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    error
}

#[test]
fn a_body_that_breaks_off_is_told() {
    let error = fetched(&FILE, &serve("200 OK", 10, b"abc").0).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("truncated: expected 10 bytes, got 3"),
        "{error}"
    );
}

#[test]
fn an_unreachable_server_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{address}/x");
    let error = fetch(&url, &FILE, folder.path(), false).unwrap_err();
    assert!(matches!(error, DataError::Download { .. }), "{error}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("file");
    fs::write(&blocked, "not a folder").unwrap();
    let error = fetch("http://127.0.0.1:9/x", &FILE, &blocked, false).unwrap_err();
    assert!(
        matches!(&error, DataError::Io { path, .. } if *path == blocked),
        "{error}"
    );
}

#[test]
fn a_full_disk_is_not_mistaken_for_a_broken_source() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(Error::other("line cut"))
        }
    }
    assert_eq!(
        pour(&b"abc"[..], &mut Full).unwrap_err().kind(),
        ErrorKind::StorageFull
    );
    assert_eq!(
        pour(Broken, &mut Vec::new())
            .unwrap()
            .1
            .unwrap_err()
            .to_string(),
        "line cut"
    );
}

#[test]
fn the_official_address_is_that_of_the_set() {
    assert_eq!(
        Mirror::Official.url(&PUBLIC, &FILE),
        "http://nowhere.invalid/abc.bin"
    );
}
