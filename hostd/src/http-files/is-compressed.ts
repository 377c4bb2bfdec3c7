/** Whether a file's name says that it is compressed already. */

const extensions = new Set(
  (
    "7z apk avi avif br bz2 deb docx flac gif gz heic jar jpeg jpg m4a m4v mkv mov mp3 mp4 npz odt ogg opus parquet " +
    "pdf png pptx rar rpm tbz tgz txz webm webp whl woff woff2 xlsx xz zip zst"
  ).split(" "),
);

export function isCompressed(name: string): boolean {
  return extensions.has(name.slice(name.lastIndexOf(".") + 1).toLowerCase());
}
