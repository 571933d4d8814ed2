# Makes conf/ a package, so that it ships in the wheel as gantool.conf.
