"""Operations worth native code: one folder each, a plain PyTorch reference and a dispatcher."""
