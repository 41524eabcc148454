#define _GNU_SOURCE
#include "http.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

/* --- heads --- */

const char *head_end(const char *bytes, size_t size) {
    const char *found = memmem(bytes, size, "\r\n\r\n", 4);
    return found ? found + 4 : NULL;
}

const char *head_line(const char *at, const char *end, struct line *line) {
    const char *stop = memchr(at, '\r', (size_t)(end - at));
    if (!stop || stop == at) return NULL;
    const char *colon = memchr(at, ':', (size_t)(stop - at));
    if (!colon) colon = stop;
    const char *value = colon < stop ? colon + 1 : stop;
    while (value < stop && (*value == ' ' || *value == '\t')) value++;
    *line = (struct line){.name = at, .name_size = (size_t)(colon - at), .value = value, .value_size = (size_t)(stop - value)};
    return stop + 2;
}

bool line_is(const struct line *line, const char *name, size_t name_size) {
    return line->name_size == name_size && strncasecmp(line->name, name, name_size) == 0;
}

bool value_has(const struct line *line, const char *token) {
    size_t size = strlen(token);
    for (size_t at = 0; at + size <= line->value_size; at++)
        if (strncasecmp(line->value + at, token, size) == 0) return true;
    return false;
}

int64_t value_number(const struct line *line) {
    int64_t value = 0;
    if (!line->value_size || line->value_size > 18) return -1;
    for (size_t at = 0; at < line->value_size; at++) {
        if (line->value[at] < '0' || line->value[at] > '9') return -1;
        value = value * 10 + (line->value[at] - '0');
    }
    return value;
}

/* --- chunked bodies --- */

enum { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER, CHUNK_TRAILER_LINE, CHUNK_DONE };

static int hexadecimal(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static bool chunk_size_byte(struct chunks *chunks, char byte) {
    int digit = hexadecimal(byte);
    if (digit >= 0 && chunks->digits < 15) {
        chunks->left = chunks->left * 16 + (unsigned)digit;
        chunks->digits++;
        return true;
    }
    chunks->state = CHUNK_EXTENSION;
    return chunks->digits > 0 && (byte == '\r' || byte == ';' || byte == ' ');
}

/* One byte that is not chunk data. False = this is no chunked body. */
static bool chunk_byte(struct chunks *chunks, char byte) {
    switch (chunks->state) {
    case CHUNK_SIZE:
        return chunk_size_byte(chunks, byte);
    case CHUNK_EXTENSION:
        if (byte == '\n') chunks->state = chunks->left ? CHUNK_DATA : CHUNK_TRAILER;
        return true;
    case CHUNK_DATA_END:
        if (byte == '\n') *chunks = (struct chunks){0};
        return byte == '\r' || byte == '\n';
    case CHUNK_TRAILER: /* at the start of a line: an empty one ends it all */
        if (byte == '\n') chunks->state = CHUNK_DONE;
        if (byte != '\r' && byte != '\n') chunks->state = CHUNK_TRAILER_LINE;
        return true;
    default:
        if (byte == '\n') chunks->state = CHUNK_TRAILER;
        return true;
    }
}

int64_t chunks_take(struct chunks *chunks, const char *bytes, size_t size, uint64_t *data) {
    size_t at = 0;
    while (at < size && chunks->state != CHUNK_DONE) {
        if (chunks->state != CHUNK_DATA) {
            if (!chunk_byte(chunks, bytes[at++])) return -1;
            continue;
        }
        size_t part = size - at < chunks->left ? size - at : (size_t)chunks->left;
        at += part;
        *data += part;
        chunks->left -= part;
        if (!chunks->left) chunks->state = CHUNK_DATA_END;
    }
    return (int64_t)at;
}

bool chunks_done(const struct chunks *chunks) { return chunks->state == CHUNK_DONE; }

/* --- WebSocket --- */

static uint64_t big_endian(const uint8_t *bytes, size_t size) {
    uint64_t value = 0;
    while (size--) value = value << 8 | *bytes++;
    return value;
}

bool frame_parse(struct frame *frame, const char *bytes, size_t size) {
    const uint8_t *at = (const uint8_t *)bytes;
    if (size < 2) return false;
    unsigned short_size = at[1] & 0x7f, wide = short_size == 126 ? 2 : short_size == 127 ? 8 : 0;
    frame->first = at[0];
    frame->masked = at[1] & 0x80;
    frame->head = (uint8_t)(2 + wide + (frame->masked ? 4 : 0));
    if (size < frame->head) return false;
    frame->size = wide ? big_endian(at + 2, wide) : short_size;
    if (frame->masked) memcpy(frame->mask, at + 2 + wide, 4);
    return true;
}

size_t frame_head_size(uint64_t size, bool masked) { return 2u + (size > 65535 ? 8u : size > 125 ? 2u : 0u) + (masked ? 4u : 0u); }

size_t frame_build(char *to, uint8_t first, uint64_t size, const uint8_t *mask) {
    size_t wide = size > 65535 ? 8 : size > 125 ? 2 : 0, at = 2 + wide;
    to[0] = (char)first;
    to[1] = (char)((wide == 8 ? 127 : wide == 2 ? 126 : size) | (mask ? 0x80 : 0));
    for (size_t byte = 0; byte < wide; byte++) to[1 + wide - byte] = (char)(size >> (8 * byte));
    if (mask) memcpy(to + at, mask, 4);
    return at + (mask ? 4 : 0);
}

void frame_mask(char *bytes, size_t size, const uint8_t mask[4], uint64_t offset) {
    uint8_t turned[8];
    uint64_t wide, word;
    size_t at = 0;
    for (unsigned byte = 0; byte < 8; byte++) turned[byte] = mask[(offset + byte) & 3];
    memcpy(&wide, turned, 8);
    for (; at + 8 <= size; at += 8) {
        memcpy(&word, bytes + at, 8);
        word ^= wide;
        memcpy(bytes + at, &word, 8);
    }
    for (; at < size; at++) bytes[at] ^= (char)turned[at & 7];
}

void websocket_accept(const char *key, size_t key_size, char accept[ACCEPT_SIZE + 1]) {
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 section 1.3 */
    unsigned char joined[160], digest[EVP_MAX_MD_SIZE];
    size_t guid_size = sizeof guid - 1;
    if (key_size > sizeof joined - guid_size) key_size = sizeof joined - guid_size;
    memcpy(joined, key, key_size);
    memcpy(joined + key_size, guid, guid_size);
    EVP_Digest(joined, key_size + guid_size, digest, NULL, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)accept, digest, 20);
}
