/* A WebSocket of load: sends masked messages one at a time and checks what comes back.
 *
 * One frame, masked once, serves all sockets; its first bytes (which socket, which message) are written into it before
 * each write that sends them. Of an echo every length and stamp is checked, and of larger ones samples of the rest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

enum { INPUT_SIZE = 262144, STAMP = 16, SAMPLE = 64, CHECKED_WHOLE = 1024 };

const char closed_as_asked[] = "closed";

static const uint8_t mask[4] = {0x5a, 0xc3, 0x17, 0x9e};
static char input[INPUT_SIZE];
static char *payload;     /* as it must come back */
static char *frame;       /* head and masked payload */
static size_t frame_head; /* bytes */

void prepare_tunnels(void) {
    static const char text[] = "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"qReturn\":\"0123456789\"}},";
    payload = malloc(plan.size + 1);
    frame = malloc(plan.size + FRAME_HEAD_MAX + STAMP); /* a short message has only the stamp's beginning */
    if (!payload || !frame) fail("no memory for --size %llu", (unsigned long long)plan.size);
    for (size_t at = 0; at < plan.size; at++) payload[at] = text[at % (sizeof text - 1)];
    frame_head = frame_build(frame, 0x80 | OP_TEXT, plan.size, mask);
    memcpy(frame + frame_head, payload, plan.size);
    frame_mask(frame + frame_head, plan.size, mask, 0);
}

static size_t stamp_size(void) { return plan.size < STAMP ? (size_t)plan.size : STAMP; }

/* ASCII, because it is a text message; the fast digits first, so that a short stamp still differs. */
static void write_stamp(const struct slot *slot, char stamp[STAMP]) {
    uint64_t value = slot->tunnel.sequence | (uint64_t)slot->index << 32;
    for (unsigned at = 0; at < STAMP; at++, value >>= 4) stamp[at] = "0123456789abcdef"[value & 15];
}

/* --- sending --- */

static bool sending(const struct slot *slot) { return slot->tunnel.sent < frame_head + plan.size; }

static bool write_some(struct slot *slot, const char *bytes, size_t size, ssize_t *sent) {
    *sent = link_write(&slot->link, bytes, size);
    if (*sent == LINK_BROKEN) slot_lost(slot, link_problem);
    if (*sent < 0) return false;
    tally.bytes_out += (uint64_t)*sent;
    return true;
}

static bool write_frame(struct slot *slot) {
    struct tunnel *tunnel = &slot->tunnel;
    size_t stamp = stamp_size();
    ssize_t sent;
    while (sending(slot)) {
        if (tunnel->sent < frame_head + stamp) {
            write_stamp(slot, frame + frame_head);
            frame_mask(frame + frame_head, stamp, mask, 0);
        }
        if (!write_some(slot, frame + tunnel->sent, frame_head + (size_t)plan.size - (size_t)tunnel->sent, &sent)) return false;
        tunnel->sent += (uint64_t)sent;
    }
    return true;
}

static bool write_control(struct slot *slot) {
    struct kept *control = &slot->tunnel.control;
    ssize_t sent;
    while (control->size) {
        if (!write_some(slot, control->bytes + control->from, control->size, &sent)) return false;
        keep_drop(control, (size_t)sent);
    }
    return true;
}

/* A control frame may not go into the middle of a message. */
void tunnel_write(struct slot *slot) {
    bool within = sending(slot) && slot->tunnel.sent;
    bool all = (within ? write_frame(slot) : write_control(slot)) && (within ? write_control(slot) : write_frame(slot));
    if (slot->stage == TUNNELLED) link_watch(&slot->link, EPOLLIN | (all ? 0u : EPOLLOUT), slot);
}

static void send_control(struct slot *slot, uint8_t opcode, const char *bytes, size_t size) {
    char control[FRAME_HEAD_MAX + 125];
    size_t head = frame_build(control, 0x80 | opcode, size, mask);
    memcpy(control + head, bytes, size);
    frame_mask(control + head, size, mask, 0);
    keep(&slot->tunnel.control, control, head + size);
    tunnel_write(slot);
}

void tunnel_send(struct slot *slot) {
    slot->tunnel.sequence++;
    slot->tunnel.sent = 0;
    slot->tunnel.spoiled = false;
    tunnel_write(slot);
}

void tunnel_leave(struct slot *slot) {
    static const char normal[2] = {0x03, (char)0xe8}; /* 1000 */
    slot->tunnel.closing = true;
    send_control(slot, OP_CLOSE, normal, sizeof normal);
}

/* --- checking --- */

static bool same(const char *bytes, uint64_t offset, size_t size) { return memcmp(bytes, payload + offset, size) == 0; }

static bool piece_right(const struct slot *slot, const char *bytes, uint64_t offset, size_t size) {
    size_t stamp = stamp_size();
    if (offset < stamp) {
        char expected[STAMP];
        size_t part = stamp - (size_t)offset < size ? stamp - (size_t)offset : size;
        write_stamp(slot, expected);
        if (memcmp(bytes, expected + offset, part) != 0) return false;
        bytes += part;
        offset += part;
        size -= part;
    }
    if (plan.size <= CHECKED_WHOLE || size <= 2 * SAMPLE) return same(bytes, offset, size);
    return same(bytes, offset, SAMPLE) && same(bytes + size - SAMPLE, offset + size - SAMPLE, SAMPLE);
}

static bool head_right(const struct slot *slot, const struct frame *got) {
    return slot->busy && got->size == plan.size && got->first == (0x80 | OP_TEXT) && !got->masked;
}

/* --- reading --- */

static void finish_message(struct slot *slot) {
    struct tunnel *tunnel = &slot->tunnel;
    tunnel->inside = false;
    if (tunnel->spoiled && !tally.first_error[0]) snprintf(tally.first_error, sizeof tally.first_error, "an echo is not what was sent");
    if (tunnel->spoiled && tunnel->frame.size != plan.size) tally.bad_length++;
    if (tunnel->spoiled && tunnel->frame.size == plan.size) tally.bad_content++;
    slot->role->echoed(slot, !tunnel->spoiled);
}

static size_t take_payload(struct slot *slot, const char *bytes, size_t size) {
    struct tunnel *tunnel = &slot->tunnel;
    uint64_t left = tunnel->frame.size - tunnel->taken;
    if (size > left) size = (size_t)left;
    if (!tunnel->spoiled && !piece_right(slot, bytes, tunnel->taken, size)) tunnel->spoiled = true;
    tunnel->taken += size;
    if (tunnel->taken == tunnel->frame.size) finish_message(slot);
    return size;
}

static size_t take_control(struct slot *slot, const struct frame *got, const char *bytes, size_t size) {
    if (size < got->head + got->size) return 0;
    if (frame_opcode(got) == OP_PING && got->size <= 125) send_control(slot, OP_PONG, bytes + got->head, (size_t)got->size);
    if (frame_opcode(got) == OP_CLOSE) slot_lost(slot, slot->tunnel.closing ? closed_as_asked : "the other side closed the WebSocket");
    return got->head + (size_t)got->size;
}

static size_t take(struct slot *slot, const char *bytes, size_t size) {
    struct tunnel *tunnel = &slot->tunnel;
    struct frame got;
    if (tunnel->inside) return take_payload(slot, bytes, size);
    if (!frame_parse(&got, bytes, size)) return 0;
    if (frame_opcode(&got) & 8) return take_control(slot, &got, bytes, size);
    tunnel->frame = got;
    tunnel->inside = true;
    tunnel->taken = 0;
    tunnel->spoiled = !head_right(slot, &got);
    if (!got.size) finish_message(slot);
    return got.head;
}

static void digest(struct slot *slot, size_t have) {
    size_t used = 0, part = 1;
    while (used < have && part && slot->stage == TUNNELLED) used += part = take(slot, input + used, have - used);
    if (slot->stage != TUNNELLED) return;
    keep_clear(&slot->input);
    keep(&slot->input, input + used, have - used);
}

void tunnel_read(struct slot *slot) {
    size_t have = slot->input.size;
    if (have) memcpy(input, slot->input.bytes + slot->input.from, have);
    ssize_t got = link_read(&slot->link, input + have, INPUT_SIZE - have);
    if (got == LINK_AGAIN) return;
    if (got > 0) {
        tally.bytes_in += (uint64_t)got;
        digest(slot, have + (size_t)got);
    } else if (got == LINK_END) {
        slot_lost(slot, slot->tunnel.closing ? closed_as_asked : "the other side ended the WebSocket's connection");
    } else {
        slot_lost(slot, link_problem);
    }
}

void tunnel_begin(struct slot *slot) {
    size_t have = slot->input.size;
    slot->stage = TUNNELLED;
    slot->tunnel = (struct tunnel){.sent = frame_head + plan.size};
    if (!have) return;
    memcpy(input, slot->input.bytes + slot->input.from, have);
    digest(slot, have);
}
