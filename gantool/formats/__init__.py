"""Formats in which a trained generator leaves gantool; conf/format has one file for each."""
