//! Judge a picture by inference_complete.onnx: judge MODEL PICTURE. Exit status: 0 OK, 1 NG, 2 no verdict.
use image::DynamicImage::{ImageLuma8, ImageLumaA8, ImageRgb8, ImageRgba8};
use std::error::Error;
use std::ffi::{c_char, c_int, c_void, CStr};
use std::process::ExitCode;
use std::ptr;

const JUDGE_ERROR_SIZE: usize = 512;

#[link(name = "judge")] // see ../c/judge.h
extern "C" {
    fn judge_open(model: *const u8, size: usize, opened: *mut *mut c_void, error: *mut c_char) -> c_int;
    fn judge_run(
        opened: *const c_void, pixels: *const u8, height: i64, width: i64, score: *mut f32, is_anomalous: *mut u8,
        anomaly_map: *mut f32, mask: *mut u8, error: *mut c_char,
    ) -> c_int;
    fn judge_close(opened: *mut c_void);
}

/// A model that has been loaded.
struct Judge(*mut c_void);

struct Verdict {
    score: f32,
    is_anomalous: bool,
    anomaly_map: Vec<f32>,
    mask: Vec<u8>,
}

/// What went wrong, if a call did not return 0.
fn check(status: c_int, error: &[c_char]) -> Result<(), Box<dyn Error>> {
    match status {
        0 => Ok(()),
        _ => Err(unsafe { CStr::from_ptr(error.as_ptr()) }.to_string_lossy().into()),
    }
}

impl Judge {
    fn open(path: &str) -> Result<Judge, Box<dyn Error>> {
        let (file, mut opened, mut error) = (std::fs::read(path)?, ptr::null_mut(), [0; JUDGE_ERROR_SIZE]);
        check(unsafe { judge_open(file.as_ptr(), file.len(), &mut opened, error.as_mut_ptr()) }, &error)?;
        Ok(Judge(opened))
    }

    /// The verdict about a picture of 8 bits.
    fn run(&self, picture: &str) -> Result<Verdict, Box<dyn Error>> {
        let decoded = image::open(picture)?;
        if !matches!(decoded, ImageRgb8(_) | ImageRgba8(_) | ImageLuma8(_) | ImageLumaA8(_)) {
            return Err(format!("{picture} is not a picture of 8 bits").into());
        }
        let rgb = decoded.to_rgb8();
        let area = (rgb.width() * rgb.height()) as usize;
        let (mut score, mut is_anomalous, mut error) = (0.0, 0, [0; JUDGE_ERROR_SIZE]);
        let (mut anomaly_map, mut mask) = (vec![0.0; area], vec![0; area]);
        let status = unsafe {
            judge_run(
                self.0, rgb.as_ptr(), rgb.height().into(), rgb.width().into(), &mut score, &mut is_anomalous,
                anomaly_map.as_mut_ptr(), mask.as_mut_ptr(), error.as_mut_ptr(),
            )
        };
        check(status, &error)?;
        Ok(Verdict { score, is_anomalous: is_anomalous != 0, anomaly_map, mask })
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        unsafe { judge_close(self.0) }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let judged = match &arguments[..] {
        [model, picture] => Judge::open(model).and_then(|judge| judge.run(picture)),
        _ => Err("usage: judge MODEL PICTURE".into()),
    };
    match judged {
        Ok(Verdict { score, is_anomalous, anomaly_map, mask }) => {
            let highest = anomaly_map.into_iter().fold(f32::MIN, f32::max);
            let pixels = mask.into_iter().filter(|&value| value == 255).count();
            println!(
                "{{\"score\": {score}, \"isAnomalous\": {is_anomalous}, \"mapMaximum\": {highest}, \"anomalousPixels\": {pixels}}}"
            );
            ExitCode::from(is_anomalous as u8)
        }
        Err(error) => {
            eprintln!("error: {}", error.to_string().replace('\n', " "));
            ExitCode::from(2)
        }
    }
}
