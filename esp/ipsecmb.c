//go:build ipsecmb

#include "ipsecmb.h"

#include <intel-ipsec-mb.h>
#include <pthread.h>
#include <string.h>

enum { MAX_TAG = 16 };

void *warren_open(uint64_t flags)
{
	const uint64_t need = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ |
			      IMB_FEATURE_AVX | IMB_FEATURE_SELF_TEST_PASS;
	IMB_MGR *m = alloc_mb_mgr(flags);

	if (m == NULL)
		return NULL;
	init_mb_mgr_auto(m, NULL);
	if (imb_get_errno(m) != 0 || (m->features & need) != need ||
	    m->used_arch < IMB_ARCH_AVX) {
		free_mb_mgr(m);
		return NULL;
	}
	return m;
}

static void *library;

static void open_library(void)
{
	library = warren_open(0);
}

void *warren_library(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, open_library);
	return library;
}

const char *warren_version(void)
{
	return imb_get_version_str();
}

const char *warren_arch(void *m)
{
	switch (((IMB_MGR *)m)->used_arch) {
	case IMB_ARCH_AVX:
		return "AVX";
	case IMB_ARCH_AVX2:
		return "AVX2";
	case IMB_ARCH_AVX512:
		return "AVX-512";
	}
	return "unknown";
}

uint32_t warren_key_len(void)
{
	return sizeof(struct gcm_key_data);
}

void warren_expand(void *m, int size, const void *key, void *expanded)
{
	switch (size) {
	case 0:
		IMB_AES128_GCM_PRE((IMB_MGR *)m, key, expanded);
		break;
	case 1:
		IMB_AES192_GCM_PRE((IMB_MGR *)m, key, expanded);
		break;
	default:
		IMB_AES256_GCM_PRE((IMB_MGR *)m, key, expanded);
	}
}

// run does one job. The direct calls are for a packet at a time and still beat
// the job API, whose lanes AES-GCM does not need.
static inline void run(const aes_gcm_enc_dec_t f, struct gcm_context_data *c,
		       const struct warren_job *j, uint8_t *tag)
{
	f((const void *)j->key, c, (void *)j->text, (const void *)j->text,
	  j->len, (const void *)j->nonce, (const void *)j->aad, j->aad_len, tag,
	  j->tag_len);
}

// forget clears what is left of the last packet's key stream.
static void forget(struct gcm_context_data *c)
{
	explicit_bzero(c, sizeof(*c));
}

void warren_seal(void *m, struct warren_job *jobs, int n)
{
	const IMB_MGR *mgr = m;
	const aes_gcm_enc_dec_t f[] = {mgr->gcm128_enc, mgr->gcm192_enc,
				       mgr->gcm256_enc};
	struct gcm_context_data c;

	for (struct warren_job *j = jobs; j < jobs + n; j++)
		run(f[j->size], &c, j, (uint8_t *)j->text + j->len);
	forget(&c);
}

// same compares tags of 8 to 16 bytes in constant time: their first 8, and their
// last 8, which overlap.
static int same(const uint8_t *a, const uint8_t *b, int len)
{
	uint64_t x[2], y[2];

	memcpy(&x[0], a, 8);
	memcpy(&y[0], b, 8);
	memcpy(&x[1], a + len - 8, 8);
	memcpy(&y[1], b + len - 8, 8);
	return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

int warren_decrypt(void *m, struct warren_job *jobs, int n)
{
	const IMB_MGR *mgr = m;
	const aes_gcm_enc_dec_t f[] = {mgr->gcm128_dec, mgr->gcm192_dec,
				       mgr->gcm256_dec};
	struct gcm_context_data c;
	uint8_t tag[MAX_TAG];
	int bad = 0;

	for (struct warren_job *j = jobs; j < jobs + n; j++) {
		run(f[j->size], &c, j, tag);
		j->bad = !same(tag, (const uint8_t *)j->text + j->len,
			       j->tag_len);
		if (j->bad) {
			memset((void *)j->text, 0, j->len);
			bad++;
		}
	}
	forget(&c);
	return bad;
}
