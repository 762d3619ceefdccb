//! `versus export`: the messages of runs as a Parquet file, for Athena, DuckDB or Spark.
//!
//! Goals: streams; memory does not follow the run. Non-goals: series and histograms, which are small and CSV.

use crate::Ended;
use anyhow::{Context, Result, bail};
use model::record::{MessageRecord, read_csv};
use model::run::read_manifest;
use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Arguments of `versus export`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folders of runs: measured ones, or simulated with --messages.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// File to write; it must not exist yet.
    #[arg(long, value_name = "FILE")]
    parquet: PathBuf,
}

/// Rows that are held at a time.
const GROUP: usize = 100_000;

/// Instants are nanoseconds from the start of the run, spans are nanoseconds.
const SCHEMA: &str = "message messages {
    required binary run (STRING);
    required binary stack (STRING);
    required int64 seq;
    required binary outcome (STRING);
    required int64 scheduled_at;
    optional int64 sent_at;
    optional int64 received_at;
    optional int64 started_at;
    optional int64 finished_at;
    optional int64 deleted_at;
    optional int64 latency;
    required int32 receive_count;
    optional int32 worker;
    required boolean cold_start;
}";

pub(crate) fn export(args: &Args) -> Result<Ended> {
    let path = &args.parquet;
    let shown = path.display();
    let file = File::create_new(path).with_context(|| format!("creating {shown}; name a new file"))?;
    let written = write(file, &args.runs);
    match written {
        Ok(rows) => {
            eprintln!("{rows} rows: {shown}");
            Ok(Ended::Well)
        }
        Err(error) => {
            // Half a file would look like a whole one.
            let _ = std::fs::remove_file(path);
            Err(error)
        }
    }
}

fn write(file: File, runs: &[PathBuf]) -> Result<u64> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let properties = WriterProperties::builder().set_compression(Compression::UNCOMPRESSED).build();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
    let mut rows = 0;
    for run in runs {
        let manifest = read_manifest(run)?;
        for entry in &manifest.stacks {
            let name = run.file_name().unwrap_or(run.as_os_str()).to_string_lossy();
            rows += stack(&mut writer, &run.join(&entry.name), &name, &entry.name)?;
        }
    }
    writer.close()?;
    Ok(rows)
}

fn stack(writer: &mut SerializedFileWriter<File>, folder: &Path, run: &str, name: &str) -> Result<u64> {
    let path = folder.join("messages.csv");
    if !path.exists() {
        bail!("{} has no messages.csv: simulate it with --messages", folder.display());
    }
    let file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
    let mut all = read_csv(BufReader::new(file));
    let mut rows = 0;
    loop {
        let group: Vec<MessageRecord> = all.by_ref().take(GROUP).collect::<Result<_>>()?;
        if group.is_empty() {
            return Ok(rows);
        }
        rows += group.len() as u64;
        let mut columns = Columns(writer.next_row_group()?);
        columns.messages(&group, run, name).with_context(|| format!("writing the messages of {name}"))?;
        columns.0.close()?;
    }
}

/// The columns of a row group, in the order of the schema.
struct Columns<'a>(SerializedRowGroupWriter<'a, File>);

impl Columns<'_> {
    fn messages(&mut self, rows: &[MessageRecord], run: &str, stack: &str) -> Result<()> {
        let same = |text: &str| vec![ByteArray::from(text); rows.len()];
        self.all::<ByteArrayType>(&same(run))?;
        self.all::<ByteArrayType>(&same(stack))?;
        self.all::<Int64Type>(&each(rows, |row| row.seq as i64))?;
        self.all::<ByteArrayType>(&each(rows, |row| ByteArray::from(outcome(row).as_str())))?;
        self.all::<Int64Type>(&each(rows, |row| row.scheduled_at as i64))?;
        let instants: [fn(&MessageRecord) -> Option<u64>; 6] = [
            |row| row.sent_at,
            |row| row.received_at,
            |row| row.started_at,
            |row| row.finished_at,
            |row| row.deleted_at,
            |row| row.finished_at?.checked_sub(row.scheduled_at),
        ];
        for instant in instants {
            self.some::<Int64Type>(rows, |row| instant(row).map(|nanos| nanos as i64))?;
        }
        self.all::<Int32Type>(&each(rows, |row| row.receive_count as i32))?;
        self.some::<Int32Type>(rows, |row| row.worker.map(|worker| worker as i32))?;
        self.all::<BoolType>(&each(rows, |row| row.cold_start))
    }

    /// A column that every row has.
    fn all<T: DataType>(&mut self, values: &[T::T]) -> Result<()> {
        self.column::<T>(values, None)
    }

    /// A column that some rows have.
    fn some<T: DataType>(
        &mut self,
        rows: &[MessageRecord],
        value: impl Fn(&MessageRecord) -> Option<T::T>,
    ) -> Result<()> {
        let values: Vec<Option<T::T>> = rows.iter().map(value).collect();
        let there: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
        let values: Vec<T::T> = values.into_iter().flatten().collect();
        self.column::<T>(&values, Some(&there))
    }

    fn column<T: DataType>(&mut self, values: &[T::T], there: Option<&[i16]>) -> Result<()> {
        let mut column = self.0.next_column()?.context("the schema has fewer columns than are written")?;
        column.typed::<T>().write_batch(values, there, None)?;
        Ok(column.close()?)
    }
}

fn each<T>(rows: &[MessageRecord], value: impl Fn(&MessageRecord) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

fn outcome(row: &MessageRecord) -> String {
    // As in messages.csv.
    let name = serde_json::to_value(row.outcome).ok();
    name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}
