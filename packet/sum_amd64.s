#include "textflag.h"

// START clears the sums: the even words in Y0 and Y1, the odd ones in Y2 and Y3.
// Y8 picks the even words of each lane.
#define START \
	VPXOR    Y0, Y0, Y0; \
	VPXOR    Y1, Y1, Y1; \
	VPXOR    Y2, Y2, Y2; \
	VPXOR    Y3, Y3, Y3; \
	VPCMPEQD Y8, Y8, Y8; \
	VPSRLQ   $32, Y8, Y8

// LOAD takes the next block.
#define LOAD \
	VMOVDQU (SI), Y4; \
	VMOVDQU 32(SI), Y5; \
	ADDQ    $64, SI

// STORE puts it.
#define STORE \
	VMOVDQU Y4, (DI); \
	VMOVDQU Y5, 32(DI); \
	ADDQ    $64, DI

// SUM adds it.
#define SUM \
	VPSRLQ $32, Y4, Y6; \
	VPSRLQ $32, Y5, Y7; \
	VPAND  Y8, Y4, Y4; \
	VPAND  Y8, Y5, Y5; \
	VPADDQ Y4, Y0, Y0; \
	VPADDQ Y5, Y1, Y1; \
	VPADDQ Y6, Y2, Y2; \
	VPADDQ Y7, Y3, Y3

// TOTAL brings all sums to AX.
#define TOTAL \
	VPADDQ       Y1, Y0, Y0; \
	VPADDQ       Y3, Y2, Y2; \
	VPADDQ       Y2, Y0, Y0; \
	VEXTRACTI128 $1, Y0, X1; \
	VPADDQ       X1, X0, X0; \
	VPSRLDQ      $8, X0, X1; \
	VPADDQ       X1, X0, X0; \
	VMOVQ        X0, AX; \
	VZEROUPPER

// func sumBlocks(p *byte, n int) uint64
TEXT ·sumBlocks(SB), NOSPLIT, $0-24
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX
	START

loop:
	LOAD
	SUM
	DECQ CX
	JNZ  loop
	TOTAL
	MOVQ AX, ret+16(FP)
	RET

// func copyBlocks(dst, src *byte, n int) uint64
TEXT ·copyBlocks(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	START

loop:
	LOAD
	STORE
	SUM
	DECQ CX
	JNZ  loop
	TOTAL
	MOVQ AX, ret+24(FP)
	RET
