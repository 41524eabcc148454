/* One HTTP exchange on a slot: writes a request (and what is uploaded behind it), reads the answer and judges it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

enum { INPUT_SIZE = 262144, HEAD_MAX = 65536, HEAD_ROOM = 16384, UPLOAD_SIZE = 1 << 20 };
enum answer_stage { A_HEAD, A_SIZED, A_CHUNKED, A_UNTIL_END, A_DONE, A_BROKEN };

static char input[INPUT_SIZE];
static char *upload; /* what is uploaded, with room for a head right before it, so that both go out in one write */

void prepare_exchanges(void) {
    if (!plan.upload) return;
    char *space = malloc(HEAD_ROOM + UPLOAD_SIZE);
    if (!space) fail("no memory");
    upload = space + HEAD_ROOM;
    for (size_t at = 0; at < UPLOAD_SIZE; at++) upload[at] = (char)('a' + at % 26);
    for (unsigned at = 0; at < plan.requests.count; at++)
        if (plan.requests.all[at].size > HEAD_ROOM) fail("--upload: a head is larger than %d bytes", HEAD_ROOM);
}

/* --- the request --- */

void exchange_start(struct slot *slot, const struct request *request) {
    slot->stage = EXCHANGING;
    slot->request = request;
    slot->sent = 0;
    slot->answer = (struct answer){0};
    tally.requests++;
    exchange_write(slot);
}

/* What is to be written next; its size goes to *size. */
static const char *unsent(const struct slot *slot, size_t *size) {
    const struct request *request = slot->request;
    if (!plan.upload || request->accept[0]) {
        *size = request->size - (size_t)slot->sent;
        return request->text + slot->sent;
    }
    uint64_t behind = slot->sent < request->size ? 0 : slot->sent - request->size, left = plan.upload - behind;
    *size = left < UPLOAD_SIZE ? (size_t)left : UPLOAD_SIZE;
    if (behind || slot->sent == request->size) return upload;
    size_t head_left = request->size - (size_t)slot->sent;
    memcpy(upload - head_left, request->text + slot->sent, head_left);
    *size += head_left;
    return upload - head_left;
}

void exchange_write(struct slot *slot) {
    size_t size;
    for (const char *bytes = unsent(slot, &size); size; bytes = unsent(slot, &size)) {
        ssize_t sent = link_write(&slot->link, bytes, size);
        if (sent == LINK_BROKEN) {
            slot_lost(slot, link_problem);
            return;
        }
        if (sent < 0) break;
        slot->sent += (uint64_t)sent;
        tally.bytes_out += (uint64_t)sent;
    }
    link_watch(&slot->link, (slot->paced ? EPOLLPRI : EPOLLIN) | (size ? EPOLLOUT : 0u), slot);
}

/* --- the answer --- */

static void answer_line(struct answer *answer, const struct line *line) {
    switch (line->name_size) {
    case 10:
        if (LINE_IS(line, "Connection")) answer->close = value_has(line, "close");
        break;
    case 14:
        if (!LINE_IS(line, "Content-Length")) break;
        int64_t size = value_number(line);
        answer->sized = size >= 0;
        answer->left = size >= 0 ? (uint64_t)size : 0;
        break;
    case 17:
        if (LINE_IS(line, "Transfer-Encoding")) answer->chunked = value_has(line, "chunked");
        break;
    case 20:
        if (LINE_IS(line, "Sec-WebSocket-Accept") && line->value_size == ACCEPT_SIZE) memcpy(answer->accept, line->value, ACCEPT_SIZE);
        break;
    default:
        break;
    }
}

static uint8_t body_stage(const struct answer *answer) {
    if (answer->status == 101 || answer->status == 204 || answer->status == 304) return A_DONE;
    if (answer->status < 200) return A_HEAD; /* an interim answer: the real one follows */
    if (answer->chunked) return A_CHUNKED;
    if (!answer->sized) return A_UNTIL_END;
    return answer->left ? A_SIZED : A_DONE;
}

static size_t take_head(struct answer *answer, const char *bytes, size_t size) {
    const char *end = head_end(bytes, size), *at = bytes;
    if (!end) {
        if (size > HEAD_MAX) answer->stage = A_BROKEN;
        return 0;
    }
    *answer = (struct answer){0};
    if (end - bytes < 16 || memcmp(bytes, "HTTP/1.", 7) != 0 || bytes[8] != ' ') {
        answer->stage = A_BROKEN;
        return 0;
    }
    answer->status = atoi(bytes + 9);
    struct line line;
    at = (const char *)memchr(bytes, '\r', (size_t)(end - bytes)) + 2;
    while ((at = head_line(at, end, &line))) answer_line(answer, &line);
    answer->stage = body_stage(answer);
    return (size_t)(end - bytes);
}

static size_t take_sized(struct answer *answer, const char *bytes, size_t size) {
    if (size > answer->left) size = (size_t)answer->left;
    if (answer->length < sizeof answer->text - 1) {
        size_t room = sizeof answer->text - 1 - (size_t)answer->length;
        memcpy(answer->text + answer->length, bytes, size < room ? size : room);
    }
    answer->length += size;
    answer->left -= size;
    if (!answer->left) answer->stage = A_DONE;
    return size;
}

static size_t take_chunked(struct answer *answer, const char *bytes, size_t size) {
    int64_t taken = chunks_take(&answer->chunks, bytes, size, &answer->length);
    if (taken < 0) answer->stage = A_BROKEN;
    if (chunks_done(&answer->chunks)) answer->stage = A_DONE;
    return taken < 0 ? 0 : (size_t)taken;
}

static size_t take(struct answer *answer, const char *bytes, size_t size) {
    switch (answer->stage) {
    case A_HEAD:
        return take_head(answer, bytes, size);
    case A_SIZED:
        return take_sized(answer, bytes, size);
    case A_CHUNKED:
        return take_chunked(answer, bytes, size);
    case A_UNTIL_END:
        answer->length += size;
        return size;
    default:
        return 0;
    }
}

/* --- the judgement --- */

static bool length_right(const struct request *request, const struct answer *answer) {
    if (plan.upload && strtoull(answer->text, NULL, 10) != plan.upload) return false;
    return request->expect == ANY_SIZE || answer->length == (uint64_t)request->expect;
}

static bool judge(const struct request *request, const struct answer *answer) {
    char why[80];
    int wanted = request->accept[0] ? 101 : 200;
    bool status = answer->status == wanted && (wanted != 101 || strcmp(answer->accept, request->accept) == 0);
    bool length = !status || wanted == 101 || length_right(request, answer);
    if (status && length) return true;
    if (!status) tally.bad_status++;
    if (!length) tally.bad_length++;
    snprintf(why, sizeof why, "the answer had status %d and a body of %llu bytes", answer->status, (unsigned long long)answer->length);
    if (!tally.first_error[0]) memcpy(tally.first_error, why, sizeof why);
    return false;
}

static void finish(struct slot *slot) {
    const struct request *request = slot->request;
    bool right = judge(request, &slot->answer);
    slot->request = NULL;
    slot->stage = IDLE;
    if (right && request->accept[0]) tunnel_begin(slot);
    slot->role->answered(slot, right);
}

/* --- reading --- */

static void digest(struct slot *slot, size_t have) {
    size_t used = 0, part = 1;
    while (used < have && part) used += part = take(&slot->answer, input + used, have - used);
    keep_clear(&slot->input);
    keep(&slot->input, input + used, have - used);
    if (slot->answer.stage == A_BROKEN)
        slot_lost(slot, "the answer is not HTTP/1.1");
    else if (slot->answer.stage == A_DONE && slot->input.size && slot->answer.status != 101)
        slot_lost(slot, "more bytes came than the answer has");
    else if (slot->answer.stage == A_DONE)
        finish(slot);
}

static void ended(struct slot *slot, ssize_t how) {
    if (how == LINK_END && slot->answer.stage == A_UNTIL_END) {
        slot->answer.stage = A_DONE;
        slot->answer.close = true;
        finish(slot);
    } else {
        slot_lost(slot, how == LINK_END ? "the connection ended within an exchange" : link_problem);
    }
}

/* A big body over a plain connection need not be copied to be counted. */
static bool discards(const struct slot *slot) {
    return !slot->link.ssl && slot->answer.stage == A_SIZED && slot->answer.left > INPUT_SIZE && slot->answer.length > sizeof slot->answer.text;
}

void exchange_read(struct slot *slot, size_t most) {
    size_t have = slot->input.size;
    bool discard = discards(slot);
    ssize_t got;
    if (have) memcpy(input, slot->input.bytes + slot->input.from, have);
    if (discard)
        got = link_discard(&slot->link, slot->answer.left < most ? (size_t)slot->answer.left : most);
    else
        got = link_read(&slot->link, input + have, INPUT_SIZE - have < most ? INPUT_SIZE - have : most);
    if (got == LINK_AGAIN) return;
    if (got <= 0) {
        ended(slot, got);
        return;
    }
    tally.bytes_in += (uint64_t)got;
    if (!discard) {
        digest(slot, have + (size_t)got);
        return;
    }
    slot->answer.length += (uint64_t)got;
    slot->answer.left -= (uint64_t)got;
    if (slot->answer.left) return;
    slot->answer.stage = A_DONE;
    finish(slot);
}
