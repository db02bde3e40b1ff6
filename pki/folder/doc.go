// Package folder keeps certification authorities in files, one folder each: what
// `warren pki` works on.
//
//	ca.crt ca.key ca.crl       the authority, and what it has revoked
//	NAME.crt NAME.key          the newest certificate of NAME, and its key
//	issued/NAME.SERIAL.crt     every certificate that was issued
//
// There is no other record: the revocation list, which the authority signed, is
// what is known of revocations, and the files under issued are what is known of
// certificates. All are PEM, keys are PKCS #8, so other tools read them too.
//
// Files appear whole or not at all, keys are for their owner only, and nothing is
// replaced unasked. Keys are not encrypted: keep the folder where nobody else is.
package folder
