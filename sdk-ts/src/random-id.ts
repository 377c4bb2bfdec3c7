/** 20 random characters of [a-z0-9]. (`crypto.randomUUID` is missing from pages that are not served over TLS.) */
export function randomId(): string {
  const letters = "abcdefghijklmnopqrstuvwxyz234567"; // 32: each byte's low five bits choose evenly
  return Array.from(crypto.getRandomValues(new Uint8Array(20)), (byte) => letters[byte & 31]).join("");
}
