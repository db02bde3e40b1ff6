// The part of libipsec-mb that ipsecmb.go calls: AES-GCM, a burst at a time.

#ifndef WARREN_IPSECMB_H
#define WARREN_IPSECMB_H

#include <stdint.h>

// A job is one AES-GCM operation in place. Addresses are numbers, so that an
// array of jobs holds no pointers; nothing keeps them after the call.
struct warren_job {
	uintptr_t key;   // made by warren_expand
	uintptr_t text;  // len bytes, then the tag
	uintptr_t nonce; // 12 bytes
	uintptr_t aad;
	uint32_t len;
	uint16_t aad_len;
	uint8_t size; // of the key: 0, 1, 2 for 128, 192, 256 bits
	uint8_t tag_len; // 8, 12 or 16
	uint8_t bad;     // set where the tag is not authentic
};

enum { WARREN_KEY_ALIGN = 64 };

// warren_open returns the library's functions for this CPU, null where it has
// none that are faster than plain code, or where they fail their own test.
// flags are those of alloc_mb_mgr. The result stays for good.
void *warren_open(uint64_t flags);

// warren_library is warren_open(0), found out once.
void *warren_library(void);

const char *warren_version(void);
const char *warren_arch(void *m);

uint32_t warren_key_len(void);
void warren_expand(void *m, int size, const void *key, void *expanded);

void warren_seal(void *m, struct warren_job *jobs, int n);

// warren_decrypt returns how many jobs it marked as bad. Their text is cleared.
int warren_decrypt(void *m, struct warren_job *jobs, int n);

#endif
