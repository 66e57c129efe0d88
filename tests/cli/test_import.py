# SPDX-License-Identifier: BSD-2-Clause
"""keepstate import: examples of each form, what becomes of them, and what the policies do."""
import ipaddress
import re

import pytest
from conftest import ROOT

EXAMPLES = sorted((ROOT / 'tests/cli/import').glob('*.txt'))
FORMS = {'iptables': 'iptables-save', 'ip6tables': 'ip6tables-save', 'nft': 'nft', 'pf': 'pf', 'uci': 'uci', 'ufw': 'ufw'}
# Packets that open flows, and the verdict of the original, found by reading it.
STEPS = {
    'iptables-gateway': """
        eth0 192.0.2.9:4000 > self 203.0.113.1:22 tcp syn => allow
        eth0 203.0.113.9:4000 > self 203.0.113.1:22 tcp syn => deny
        eth0 203.0.113.8:4000 > self 203.0.113.1:22 tcp syn => deny
        eth0 203.0.113.8:4000 > self 203.0.113.1:443 tcp syn => allow
        eth0 203.0.113.8 > self 203.0.113.1 icmp echo-request => allow
        eth0 203.0.113.8:4000 > self 203.0.113.1:8080 tcp syn => allow as 203.0.113.8:4000 > 10.0.0.5:80
        eth0 203.0.113.8:4001 > eth1 10.0.0.5:80 tcp syn => reject
        eth0 203.0.113.8:5005 > self 203.0.113.1:9000 tcp syn => allow as 203.0.113.8:5005 > 10.0.0.6:9000
        eth0 203.0.113.8:4000 > self 203.0.113.1:9000 tcp syn => reject
        eth1 10.1.0.9:4000 > eth0 198.51.100.1:443 tcp syn => allow
        eth1 10.0.0.9:4001 > eth0 10.9.0.1:443 tcp syn => reject
        eth1 10.0.0.9:5001 > tun0 10.9.0.1:443 tcp syn => allow
        rest 10.0.0.8:5001 > tun0 10.9.0.1:443 tcp syn => reject
        eth1 10.0.0.9:4002 > self 203.0.113.1:67 udp => allow
        eth0 203.0.113.8:4002 > self 203.0.113.1:67 udp => deny
        self 203.0.113.1:4002 > eth0 198.51.100.1:53 udp => allow
        """,
    'iptables-stateless': """
        rest 192.0.2.1:4000 > self 203.0.113.1:22 tcp syn => allow
        rest 192.0.2.66:4000 > self 203.0.113.1:22 tcp syn => deny
        rest 192.0.2.1:4000 > self 203.0.113.1:79 tcp syn => deny
        self 203.0.113.1:4000 > rest 192.0.2.1:53 udp => allow
        self 203.0.113.1:4000 > rest 192.0.2.66:53 udp => deny
        self 203.0.113.1:4000 > rest 192.0.2.1:80 tcp syn => deny
        self 203.0.113.1:22 > rest 192.0.2.1:80 tcp syn => allow
        """,
    'iptables-ufw': """
        rest 192.0.2.1:4000 > self 203.0.113.1:80 tcp syn => allow
        rest 198.51.100.1:4000 > self 203.0.113.1:80 tcp syn => deny
        rest 192.0.2.1:4000 > self 203.0.113.1:81 tcp syn => deny
        self 203.0.113.1:4000 > rest 192.0.2.1:80 tcp syn => allow
        """,
    'iptables-unsaid': """
        eth0 203.0.113.8:4000 > self 203.0.113.1:25 tcp syn => deny
        eth0 192.0.2.8:4000 > self 203.0.113.1:80 tcp syn => deny
        eth0 203.0.113.8:4000 > self 203.0.113.1:80 tcp syn => allow
        eth0 203.0.113.8:4000 > self 203.0.113.1:53 udp => deny
        eth0 203.0.113.8:4000 > self 203.0.113.1:99 udp ttl 4 len 100 => allow
        eth0 203.0.113.8:4001 > self 203.0.113.1:99 udp ttl 5 len 100 => deny
        """,
    'iptables-docker': """
        rest 192.0.2.9:4000 > self 203.0.113.1:8080 tcp syn => allow as 192.0.2.9:4000 > 172.17.0.2:80
        rest 192.0.2.9:4001 > self 203.0.113.1:8081 tcp syn => deny
        rest 192.0.2.9:4002 > self 203.0.113.1:22 tcp syn => allow
        rest 192.0.2.9:4003 > docker0 172.17.0.2:80 tcp syn => allow
        rest 192.0.2.9:4003 > docker0 172.17.0.3:80 tcp syn => deny
        docker0 172.17.0.3:4000 > docker0 172.17.0.2:80 tcp syn => allow
        """,
    'iptables-vpn': """
        ppp0 198.51.100.9:4000 > self 203.0.113.1:443 tcp syn => allow as 198.51.100.9:4000 > 192.168.1.10:443
        ppp0 198.51.100.9:4000 > self 203.0.113.1:10042 udp => allow as 198.51.100.9:4000 > 192.168.1.11:10042
        ppp0 192.0.2.66:4000 > self 203.0.113.1:51820 udp => deny
        self 203.0.113.1:4000 > ppp0 198.51.100.9:53 udp => allow
        self 203.0.113.1:4000 > ppp0 198.51.100.9:25 tcp syn => deny
        """,
    'nft-gateway': """
        set d_bad add 192.0.2.99
        eth0 192.0.2.99:4000 > self 203.0.113.1:22 tcp syn => deny
        eth0 192.0.2.9:4000 > self 203.0.113.1:22 tcp syn => allow
        eth0 203.0.113.9:4000 > self 203.0.113.1:25 tcp syn => deny
        eth0 203.0.113.9:4000 > self 203.0.113.1:80 tcp syn => allow
        eth0 198.51.100.9:4000 > self 203.0.113.1:80 tcp syn => deny
        eth0 203.0.113.8:4000 > self 203.0.113.1:8080 tcp syn => allow as 203.0.113.8:4000 > 10.0.0.5:80
        eth0 203.0.113.8:4000 > self 203.0.113.1:8443 tcp syn => allow as 203.0.113.8:4000 > 10.0.0.6:8443
        eth0 203.0.113.8:4002 > eth1 10.0.0.6:443 tcp syn => allow
        eth0 203.0.113.8:4003 > eth1 10.0.0.5:443 tcp syn => deny
        eth1 10.1.0.9:4000 > eth0 198.51.100.1:443 tcp syn => allow as 203.0.113.5:4000 > 198.51.100.1:443
        eth1 10.1.0.9:4001 > eth0 10.9.0.1:443 tcp syn => deny
        eth1 [2001:db8::9]:4000 > eth0 [2001:db8:1::1]:443 tcp syn => deny
        rest [2001:db8::9]:4000 > self [2001:db8:1::1]:80 tcp syn => allow
        """,
    'nft-host': """
        rest 192.0.2.1:4000 > self 203.0.113.1:514 udp ttl 200 => bypass
        rest 192.0.2.1:4001 > self 203.0.113.1:514 udp ttl 50 => deny
        rest 10.66.0.1:4000 > self 203.0.113.1:22 tcp syn => deny
        rest 192.0.2.1:4000 > self 203.0.113.1:22 tcp syn => allow
        tun0 192.0.2.2:4000 > self 203.0.113.1:80 tcp syn => reject
        tun0 192.0.2.2:4000 > self 203.0.113.1:22 tcp syn => deny
        rest 192.0.2.1:4002 > self 203.0.113.1:22 tcp syn ece cwr => deny
        rest 192.0.2.1:4003 > self 203.0.113.1:9999 tcp syn mark 16 => allow
        rest 192.0.2.1:4004 > self 203.0.113.1:9999 tcp syn => deny
        rest 198.51.100.1:4000 > self 203.0.113.1:1500 udp => deny
        """,
    'nft-server': """
        eth0 198.51.100.9:4000 > self 203.0.113.1:80 tcp syn => allow as 198.51.100.9:4000 > 10.0.0.5:80
        eth0 198.51.100.9:4000 > self 203.0.113.1:443 tcp syn => allow as 198.51.100.9:4000 > 10.0.0.6:443
        eth0 198.51.100.9:4005 > self 203.0.113.1:8443 tcp syn => allow as 198.51.100.9:4005 > 10.0.0.6:443
        eth0 198.51.100.9:4000 > self 203.0.113.1:16390 udp => allow as 198.51.100.9:4000 > 10.0.0.8:16390
        eth0 198.51.100.9:4000 > self 203.0.113.1:8444 tcp syn => deny
        eth1 10.1.0.9:4000 > eth0 198.51.100.9:25 tcp syn => allow mark 16
        eth1 [2001:db8::9]:4000 > eth0 [2001:db8:1::9]:25 tcp syn => allow mark 0
        eth0 198.51.100.9:4001 > eth1 10.0.0.9:25 tcp syn => deny
        """,
    'nft-unread-list': """
        rest 192.0.2.1:4000 > self 203.0.113.1:25 tcp syn => deny
        rest 192.0.2.3:4000 > self 203.0.113.1:80 tcp syn => deny
        rest 192.0.2.3:4000 > self 203.0.113.1:81 tcp syn => allow
        rest 192.0.2.65:4000 > self 203.0.113.1:53 udp => deny
        rest 192.0.2.1:4000 > self 203.0.113.1:7000 tcp syn => deny
        rest 192.0.2.1:4000 > self 203.0.113.1:7001 tcp syn => allow
        rest 192.0.2.7:4000 > self 203.0.113.1:7002 tcp syn => deny
        rest 192.0.2.8:4000 > self 203.0.113.1:7100 tcp syn => deny
        rest 192.0.2.1:4000 > self 203.0.113.1:7004 tcp syn mark 5 => deny
        rest 192.0.2.66:4000 > self 203.0.113.1:7005 udp => reject
        rest 192.0.2.1:4000 > self 203.0.113.1:7005 udp => allow
        rest 192.0.2.1:4000 > self 203.0.113.1:7006 udp => deny
        rest 192.0.2.1:4000 > self 203.0.113.1:7007 udp => deny
        rest 192.0.2.1:4000 > self 203.0.113.1:7008 udp => allow
        rest 192.0.2.1:4000 > self 203.0.113.1:7009 udp => allow
        rest 192.0.2.1:4000 > self 203.0.113.1:7010 tcp syn => deny
        clock mon 17:00
        rest 192.0.2.1:4000 > self 203.0.113.1:7012 tcp syn => deny
        rest 192.0.2.1:4000 > self 203.0.113.1:7014 tcp syn => deny
        rest 192.0.2.1:4000 > self 203.0.113.1:9000 tcp syn => deny
        """,
    'ufw-user': """
        rest 192.0.2.9:4000 > self 203.0.113.1:22 tcp syn => allow
        rest 192.0.2.9:4000 > self 203.0.113.1:443 tcp syn => allow
        rest [2001:db8::9]:4000 > self [2001:db8:1::1]:443 tcp syn => deny
        rest [2001:db8::9]:4000 > self [2001:db8:1::1]:80 tcp syn => allow
        eth0 192.0.2.9:4000 > eth1 10.0.0.5:8080 tcp syn => allow
        eth1 192.0.2.8:4000 > eth0 10.0.0.5:8080 tcp syn => reject
        self 203.0.113.1:4000 > eth0 192.0.2.7:25 tcp syn => reject
        self 203.0.113.1:4000 > eth1 192.0.2.6:25 tcp syn => allow
        wg 192.0.2.5:4000 > self 203.0.113.1:53 udp => allow
        """,
    'ufw-before': """
        rest 192.0.2.9 > self 203.0.113.1 icmp echo-request => allow
        rest 192.0.2.9 > self 203.0.113.1 icmp type 13 code 0 => deny
        rest 192.0.2.9 > eth1 10.0.0.5 icmp echo-request => allow
        rest 192.0.2.9:67 > self 203.0.113.1:68 udp => allow
        rest 192.0.2.9:5353 > self 224.0.0.251:5353 udp => allow
        rest 192.0.2.9:137 > self 203.0.113.1:137 udp => deny
        eth1 10.0.0.9:4000 > self 10.0.0.1:22 tcp syn => allow
        eth1 10.1.0.9:4000 > self 10.0.0.1:22 tcp syn => deny
        eth0 192.0.2.9:4000 > self 203.0.113.1:8443 tcp syn => allow as 192.0.2.9:4000 > 10.0.0.5:443
        eth1 10.0.0.9:4001 > eth0 192.0.2.9:80 tcp syn => allow as 203.0.113.1:4001 > 192.0.2.9:80
        self 203.0.113.1:4000 > rest 192.0.2.9:53 udp => allow
        """,
    'ufw-vps': """
        rest 192.0.2.9:4000 > self 203.0.113.1:443 tcp syn => allow
        rest 192.0.2.9:4000 > self 203.0.113.1:60500 udp => allow
        rest 203.0.113.66:4000 > self 203.0.113.1:25 tcp syn => deny
        wg0 10.8.0.9:4000 > eth0 192.0.2.9:25 tcp syn => allow
        wg0 10.9.0.9:4000 > eth0 192.0.2.9:25 tcp syn => deny
        self 203.0.113.1:4000 > rest 192.0.2.9:25 tcp syn => reject
        """,
    'ufw-added': """
        rest 192.0.2.66:4000 > self 203.0.113.1:22 tcp syn => allow
        rest 192.0.2.66:4000 > self 203.0.113.1:443 tcp syn => deny
        rest 198.51.100.9:4000 > self 203.0.113.1:443 tcp syn => allow
        self 203.0.113.1:4000 > eth1 192.0.2.6:80 tcp syn => deny
        """,
    'pf-gateway': """
        set d_brutes add 192.0.2.66
        em0 192.0.2.66:4000 > self 203.0.113.1:22 tcp syn => reject
        em0 192.0.2.9:4000 > self 203.0.113.1:22 tcp syn => allow
        em0 192.0.2.9:4000 > self 203.0.113.1:8005 tcp syn => allow
        em0 192.0.2.9:4000 > self 203.0.113.2:22 tcp syn => reject
        em0 198.51.100.9:4000 > self 203.0.113.1:80 tcp syn => reject
        em0 198.51.100.9:4000 > self 203.0.113.2:80 tcp syn => reject
        em0 10.0.0.9:4000 > self 203.0.113.1:22 tcp syn => reject
        em0 192.0.2.9 > self 203.0.113.1 icmp echo-request => allow
        em1 192.168.1.9:4000 > em2 192.0.2.9:80 tcp syn => allow
        em1 192.168.1.9:4000 > em2 192.0.2.9:25 tcp syn => reject
        em1 192.168.2.9:4000 > em2 192.0.2.9:80 tcp syn => reject
        em2 192.168.2.9:4000 > self 192.168.2.1:9 udp => allow
        self 203.0.113.1:4000 > em0 192.0.2.9:53 udp => allow
        self [2001:db8::1]:4000 > em0 [2001:db8:1::1]:53 udp => reject
        """,
    'pf-diverted': """
        em0 192.0.2.9:4000 > self 203.0.113.1:80 tcp syn => deny
        em0 192.0.2.9:4000 > self 203.0.113.2:80 tcp syn => allow
        em0 192.0.2.9:4000 > self 203.0.113.1:81 tcp syn => allow
        em0 192.0.2.9:4000 > self 203.0.113.1:82 tcp syn => deny
        """,
    'pf-nat': """
        em1 10.0.0.9:4000 > em0 192.0.2.9:80 tcp syn => allow as 203.0.113.1:4000 > 192.0.2.9:80
        em1 10.0.0.9:4001 > em0 10.9.0.1:80 tcp syn => allow as 10.0.0.9:4001 > 10.9.0.1:80
        em1 10.1.0.9:4000 > em0 192.0.2.9:80 tcp syn => allow as 203.0.113.2:4000 > 192.0.2.9:80
        em0 192.0.2.9:4000 > self 203.0.113.1:22 tcp syn => deny
        """,
    'pf-freebsd': """
        em0 198.51.100.9:4000 > self 203.0.113.1:80 tcp syn => allow as 198.51.100.9:4000 > 10.0.2.10:80
        em0 198.51.100.9:4001 > self 203.0.113.9:80 tcp syn => reject
        em0 192.168.6.9:4000 > self 203.0.113.1:80 tcp syn => reject
        em0 192.168.5.9:4000 > self 203.0.113.1:80 tcp syn => allow as 192.168.5.9:4000 > 10.0.2.10:80
        em0 198.51.100.9:4002 > self 203.0.113.1:5005 tcp syn => allow as 198.51.100.9:4002 > 10.0.2.11:5005
        em0 198.51.100.9:4003 > em0 203.0.113.20:99 udp => allow as 198.51.100.9:4003 > 10.0.2.20:99
        em0 198.51.100.9:4004 > self 203.0.113.1:22 tcp syn => allow
        em0 198.51.100.9:4005 > self 203.0.113.1:25 tcp syn => reject
        em1 10.0.1.9:4000 > self 10.0.1.1:21 tcp syn => deny
        em2 10.0.2.10:4000 > em0 198.51.100.9:53 udp => allow as 203.0.113.1:4000 > 198.51.100.9:53
        em2 10.0.2.20:4000 > em0 198.51.100.9:53 udp => allow as 203.0.113.20:4000 > 198.51.100.9:53
        set d_bruteforce add 198.51.100.66
        em0 198.51.100.66:4000 > self 203.0.113.1:80 tcp syn => reject
        """,
    'pf-openbsd': """
        vio0 198.51.100.9:4000 > self 203.0.113.1:80 tcp syn => allow
        vio0 198.51.100.9:4001 > self 203.0.113.9:80 tcp syn => reject
        vio0 198.51.100.9:4002 > self 203.0.113.1:2222 tcp syn => allow as 198.51.100.9:4002 > 192.168.1.20:22
        vio0 198.51.100.9:4003 > self 203.0.113.1:8443 tcp syn => allow as 198.51.100.9:4003 > 192.168.1.21:443
        vio0 198.51.100.66:4003 > self 203.0.113.1:8443 tcp syn => deny
        vio0 192.0.2.9:4003 > self 203.0.113.1:8443 tcp syn => deny
        vio0 192.0.2.9:4004 > self 203.0.113.1:993 tcp syn => allow
        vio0 192.0.2.9:4005 > self 203.0.113.1:25 tcp syn => deny
        vio0 198.51.100.9:4006 > self 203.0.113.1:25 tcp syn => allow
        vio0 169.254.0.9:4007 > self 203.0.113.1:993 tcp syn => deny
        vio1 192.168.1.9:4000 > vio0 198.51.100.9:443 tcp syn => allow as 203.0.113.1:4000 > 198.51.100.9:443
        vio1 [2001:db8::9]:4000 > vio0 [2001:db8:1::9]:443 tcp syn => reject
        wg0 [2001:db8::9]:4000 > wg0 [2001:db8:1::9]:443 tcp syn => allow
        """,
    'pf-opnsense': """
        em0 198.51.100.9:4000 > self 203.0.113.1:25565 tcp syn => allow as 198.51.100.9:4000 > 192.168.1.30:25565
        em0 192.168.7.9:4000 > self 203.0.113.1:25565 tcp syn => deny
        em0 192.0.2.9:4000 > self 203.0.113.1:25565 tcp syn => deny
        em0 198.51.100.9:4000 > self 203.0.113.1:16400 udp => allow as 198.51.100.9:4000 > 192.168.1.31:16400
        em0 198.51.100.9:4001 > self 203.0.113.1:22 tcp syn => deny
        em0 198.51.100.9 > self 203.0.113.1 icmp echo-request => allow
        em1 192.168.1.9:4000 > self 192.168.1.1:22 tcp syn => allow
        em1 192.168.1.9:4000 > em0 198.51.100.9:443 tcp syn => allow
        em1 192.168.1.9:500 > em0 198.51.100.9:500 udp => allow as 203.0.113.1:500 > 198.51.100.9:500
        set d_virusprot add 192.168.1.8
        em1 192.168.1.8:4000 > em0 198.51.100.9:443 tcp syn => deny
        """,
    'uci-router': """
        eth1 192.0.2.9:4000 > self 203.0.113.1:443 tcp syn => allow as 192.0.2.9:4000 > 192.168.1.10:8443
        br-lan 192.168.1.2:4009 > self 203.0.113.1:443 tcp syn => allow as 192.168.1.1:4009 > 192.168.1.10:8443
        br-lan 192.168.1.2:4009 > self 192.168.1.1:443 tcp syn => allow as 192.168.1.2:4009 > 192.168.1.1:443
        eth1 192.0.2.9:4000 > self 203.0.113.1:22 tcp syn => reject
        eth1 192.0.2.9:4000 > self 203.0.113.1:68 udp => allow
        eth1 192.0.2.9 > self 203.0.113.1 icmp echo-request => allow
        eth1 2001:db8::9 > self 2001:db8:1::1 icmpv6 echo-request => allow
        br-lan 192.168.1.2:4000 > self 192.168.1.1:22 tcp syn => allow
        br-lan 192.168.1.2:4000 > eth1 192.0.2.9:23 tcp syn => reject
        clock mon 21:59
        br-lan 192.168.1.99:4000 > eth1 192.0.2.9:80 tcp syn => allow as 203.0.113.1:4000 > 192.0.2.9:80
        clock mon 22:00
        br-lan 192.168.1.99:4001 > eth1 192.0.2.9:80 tcp syn => deny
        br-lan [fd00::2]:4000 > eth1 [2001:db8::9]:80 tcp syn => allow
        eth1 192.0.2.9:4001 > br-lan 192.168.1.2:80 tcp syn => reject
        rest 192.0.2.9:4002 > self 203.0.113.1:22 tcp syn => reject
        """,
    'uci-home': """
        clock mon 21:40
        br-lan 192.168.1.50:4000 > eth1 192.0.2.9:80 tcp syn => reject
        br-lan 192.168.1.52:4000 > eth1 192.0.2.9:80 tcp syn => allow as 203.0.113.1:4000 > 192.0.2.9:80
        br-guest 192.168.2.9:4000 > br-lan 192.168.1.9:9100 tcp syn => reject
        clock fri 06:20
        br-lan 192.168.1.51:4001 > eth1 192.0.2.9:80 tcp syn => allow as 203.0.113.1:4001 > 192.0.2.9:80
        clock sun 06:20
        br-lan 192.168.1.51:4002 > eth1 192.0.2.9:80 tcp syn => reject
        clock sun 12:00
        br-guest 192.168.2.9:4001 > br-lan 192.168.1.9:9100 tcp syn => allow
        br-guest 192.168.2.9:4002 > br-lan 192.168.1.9:9101 tcp syn => reject
        br-guest 192.168.2.9:4003 > self 192.168.2.1:53 udp => allow
        eth1 192.0.2.9:4000 > self 203.0.113.1:443 tcp syn => allow as 192.0.2.9:4000 > 192.168.1.10:443
        eth1 192.0.2.9:4001 > self 203.0.113.1:5050 udp => allow as 192.0.2.9:4001 > 192.168.1.11:5050
        eth1 192.0.2.9:4002 > self 203.0.113.1:51820 udp => deny
        br-lan 192.168.1.77:4000 > eth1 192.0.2.9:80 tcp syn => allow as 203.0.113.77:4000 > 192.0.2.9:80
        br-lan 192.168.1.79:4000 > eth1 192.0.2.9:80 tcp syn => allow as 192.168.1.79:4000 > 192.0.2.9:80
        br-lan 192.168.1.52:4003 > wg0 10.8.0.9:80 tcp syn => allow as 192.168.1.52:4003 > 10.8.0.9:80
        br-lan 192.168.1.52:4004 > wg0 10.9.0.9:80 tcp syn => allow as 10.8.0.1:4004 > 10.9.0.9:80
        """,
    'ip6tables-host': """
        rest [2001:db8:1::9]:4000 > self [2001:db8:9::1]:22 tcp syn => allow
        rest [2001:db9::9]:4000 > self [2001:db8:9::1]:22 tcp syn => reject
        rest [2001:db9::9]:4000 > self [2001:db8:9::1]:85 tcp syn => allow
        rest [2001:db9::9]:4000 > self [2001:db8:9::1]:85 udp => deny
        """,
}

# The firewall's addresses, and its networks, where rules ask for them.
OWN = {'pf-freebsd': {'em0': '203.0.113.1/24', 'em1': '10.0.1.1/24', 'em2': '10.0.2.1/24'},
       'pf-openbsd': {'vio0': '203.0.113.1/24', 'vio1': '192.168.1.1/24'},
       'ufw-before': {'eth0': '203.0.113.1/24', 'eth1': '10.0.0.1/24'},
       'uci-router': {'eth1': '203.0.113.1/24', 'br-lan': '192.168.1.1/24'},
       'uci-home': {'eth1': '203.0.113.1/24', 'br-lan': '192.168.1.1/24', 'br-guest': '192.168.2.1/24', 'wg0': '10.8.0.1/24'},
       'pf-opnsense': {'em0': '203.0.113.1/24', 'em1': '192.168.1.1/24'}}

# The same rules as `nft list ruleset` prints them.
for name in ('nft-gateway', 'nft-host', 'nft-server'):
    STEPS[f'{name}-list'] = STEPS[name]


def imported(keepstate, path):
    return keepstate('import', FORMS[path.stem.split('-', maxsplit=1)[0]], path)


@pytest.mark.parametrize('path', EXAMPLES, ids=lambda path: path.stem)
def test_example(keepstate, path):
    """The policy is the one beside the example, it is good, and it does what the original does."""
    policy = imported(keepstate, path).stdout
    assert policy == path.with_suffix('.conf').read_text()
    target = keepstate.directory / 'imported.conf'
    for zone, own in OWN.get(path.stem, {}).items():
        entries = f'address {own.split("/")[0]}, network {ipaddress.ip_network(own, strict=False)}, antispoof off'
        policy = policy.replace(f'zone {zone} {{ {zone}', f'zone {zone} {{ {zone}, {entries}')
    target.write_text(policy + f'test "as the original" {{\n{STEPS.get(path.stem, "")}\n}}\n')
    keepstate('check', target)
    if path.stem in STEPS:
        keepstate('test', target)


def test_lines_are_named(keepstate):
    """Behind each rule stands the line that it comes from, and what is not exact has a comment."""
    path = ROOT / 'tests/cli/import/iptables-unsaid.txt'
    lines = path.read_text().splitlines()
    policy = imported(keepstate, path).stdout
    assert re.search(r'^allow from eth0 to self tcp port 25  # 9$', policy, re.M) and '--dport 25 -j ACCEPT' in lines[8]
    for number, line in re.findall(r'^# line (\d+): (.*)$', policy, re.M):
        assert lines[int(number) - 1] == line


@pytest.mark.parametrize('form, text, message', [
    ('ufw', b'hello\n', 'no rules of ufw'),
    ('ufw', b'### tuple ### allow tcp 22\n', 'line 1: a tuple has seven words'),
    ('ufw', b'ufw default deny everything\n', "line 1: expected 'default POLICY"),
    ('ufw', b'ufw insert first deny 22\n', "line 1: expected a number behind 'insert'"),
    ('ufw', b'ufw permit 22\n', "line 1: 'permit' is no action of ufw"),
    ('pf', b'rdr on em0\n', "line 1: expected 'rdr on ... -> ...'"),
    ('pf', b'binat on em0 from 10.0.0.5 -> 192.0.2.1\n', "line 1: expected 'binat on ... from ADDRESS to ... -> ADDRESS'"),
    ('pf', b'include "more"\n', "line 1: statements that begin with 'include' are not read"),
    ('pf', b'anchor "a" {\npass\n', 'a brace is not closed'),
    ('pf', b'pass\n}\n', 'line 2: no brace is open'),
    ('pf', b'anchor "a" quick {\npass\n}\n', "line 1: anchors with 'quick' are not read"),
    ('pf', b'nat on em0\n', "line 1: expected 'nat on ... -> ...'"),
    ('pf', b'pass in on $ext\n', "line 1: there is no macro '$ext'"),
    ('pf', b'pass in from { 10.0.0.1\n', 'a brace is not closed'),
    ('pf', b'\n', 'there is no rule'),
    ('uci', b'hello\n', "line 1: 'hello' is none of config, option and list"),
    ('uci', b'option a b\n', 'line 1: an option needs a section'),
    ('uci', b'config rule\n', 'there is no zone'),
])
def test_others_refused(keepstate, form, text, message):
    assert message in keepstate('import', form, '-', stdin=text, code=2).stderr


def test_output(keepstate):
    keepstate('import', '-o', 'made.conf', 'ip6tables-save', ROOT / 'tests/cli/import/ip6tables-host.txt')
    assert 'deny family ipv4' in (keepstate.directory / 'made.conf').read_text()


@pytest.mark.parametrize('text, message', [
    (b'', 'no chain with a policy'),
    (b'hello\n', "line 1: 'hello' is no line of iptables-save"),
    (b'*filter\n:INPUT MAYBE [0:0]\n', "line 2: 'MAYBE' is no policy"),
    (b'*filter\n:INPUT DROP [0:0]\n:a - [0:0]\n-A INPUT -j a\n-A a -j a\nCOMMIT\n', 'call each other without an end'),
    (b'*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport\n', "line 3: nothing stands behind '--dport'"),
    (b'*filter\n:INPUT DROP [0:0]\n-A INPUT -i "no such name" -j ACCEPT\n', "line 3: 'no such name' is no interface"),
    (b'*filter\n:INPUT DROP [0:0]\n\0\n', 'line 3 is no text'),
    (b'*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -j ACCEPT\n', 'table filter has no COMMIT'),
    (b'*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -d 192.0.2.1 -j DROP\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n',
     'line 3: a chain that gives new sources does something else'),
])
def test_refused(keepstate, text, message):
    assert message in keepstate('import', 'iptables-save', '-', stdin=text, code=2).stderr


def allowed(keepstate, form, text):
    """The rules of the imported policy that allow or forward, without comments."""
    policy = keepstate('import', form, '-', stdin=text.encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    return [re.sub(r'  #.*', '', line) for line in policy.splitlines() if re.match('(allow|forward|redirect) ', line)]


def test_ufw_routing_header(keepstate):
    """The rule that ufw has first for IPv6 hits nothing that would pass here, and costs no flow its answers."""
    rules = ('-A INPUT -m rt --rt-type 0 -j DROP\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n'
             '-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n')
    text = f'*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n{rules}COMMIT\n'
    assert allowed(keepstate, 'ip6tables-save', text) == ['allow to self tcp port 22', 'allow from self']


@pytest.mark.parametrize('value, denied', [('yes', False), ('no', True)])
def test_ufw_without_ipv6(keepstate, value, denied):
    """ufw drops all of IPv6 where it does not filter it."""
    policy = keepstate('import', 'ufw', '-', stdin=f'IPV6={value}\nufw allow 22\n'.encode()).stdout
    assert ('deny family ipv6\n' in policy) == denied


@pytest.mark.parametrize('commands, rules', [
    (['allow 22/tcp', 'deny from 192.0.2.9', 'insert 1 deny from 192.0.2.8'],
     ['deny source 192.0.2.8', 'allow tcp port 22', 'deny source 192.0.2.9']),
    (['allow 22/tcp', 'deny 25/tcp', 'insert 2 deny 80/tcp'], ['allow tcp port 22', 'deny tcp port 80', 'deny tcp port 25']),
    (['allow 22/tcp', 'allow from 2001:db8::1', 'insert 3 deny from 2001:db8::/64'],  # 1 is of IPv4, 2 and 3 of IPv6
     ['allow tcp port 22', 'deny source 2001:db8::/64']),
    (['allow 22/tcp', 'prepend deny from 192.0.2.9'], ['deny source 192.0.2.9', 'allow tcp port 22']),
    (['insert 1 deny 22'], []),
    (['allow 22/tcp', 'insert 1 deny from 2001:db8::1'], ['allow tcp port 22']),
    # One that does something else with the same packets takes the place of the other one.
    (['allow 22/tcp', 'deny from 192.0.2.9', 'deny 22/tcp'], ['deny tcp port 22', 'deny source 192.0.2.9']),
    (['deny 22/tcp', 'deny from 192.0.2.9', 'allow proto tcp to any port 22'], ['allow tcp port 22', 'deny source 192.0.2.9']),
    (['allow 22/tcp', 'insert 1 deny 22/tcp'], ['allow tcp port 22']),
    (['allow 22/tcp', 'allow 25/tcp', 'delete allow 22/tcp'], ['allow tcp port 25']),
    (['deny 22/tcp', 'allow 25/tcp', 'delete allow 22/tcp'], ['deny tcp port 22', 'allow tcp port 25']),
    (['allow from 192.0.2.9', 'allow 25/tcp', '--force delete 1'], ['allow tcp port 25']),
    (['allow 22/tcp', '--force reset', 'allow 25/tcp'], ['allow tcp port 25']),
    # One that no packet here matches is counted, too.
    (['allow in on lo', 'deny 25/tcp', 'deny from 192.0.2.9', '--force delete 1'], ['deny tcp port 25', 'deny source 192.0.2.9']),
    (['allow in on lo', 'deny 25/tcp', 'insert 2 allow from 192.0.2.0/24'], ['allow source 192.0.2.0/24', 'deny tcp port 25']),
    (['route allow in on eth0', 'route delete allow in on eth0'], []),
    (['allow ssh', 'allow domain', 'allow ntp', 'allow http'],
     ['allow tcp port 22', 'allow proto { tcp, udp } port 53', 'allow udp port 123', 'allow tcp port 80']),
    (['deny http'], ['deny proto { tcp, udp } port 80']),
    (['allow OpenSSH', 'allow 25/tcp'], ['allow tcp port 25']),  # a profile of ufw's own, of which nobody here knows the ports
    # Where it is not known if ufw takes both for the same, what denies comes first.
    (['allow 22/tcp', 'deny ssh'], ['deny proto { tcp, udp } port 22']),
    (['deny 22:23/tcp', 'allow 22,23/tcp'], ['deny tcp port 22-23']),
    (['allow 22:23/tcp', 'deny 22,23/tcp'], ['deny tcp port 22-23']),
    (['allow 80/tcp', 'delete allow http'], []),
    (['deny 80/tcp', 'delete deny http'], ['deny tcp port 80']),
])
def test_ufw_changes(keepstate, commands, rules):
    """The list is what the commands leave of it."""
    text = ''.join(f'ufw {command}\n' for command in commands)
    policy = keepstate('import', 'ufw', '-', stdin=text.encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    found = [re.sub('  #.*| to self', '', line) for line in policy.splitlines() if re.match('(allow|deny|reject)', line)]
    assert found[:found.index('deny')] == rules


def test_ufw_commands(keepstate):
    """Lines of a script, with its policies."""
    text = 'ufw default allow\nufw default deny outgoing\nufw default reject routed\nufw --force enable\nufw logging on\nufw deny 25/tcp\n'
    policy = keepstate('import', 'ufw', '-', stdin=text.encode()).stdout
    assert [re.sub('  #.*', '', line) for line in policy.splitlines() if re.match('(allow|deny|reject)', line)] == [
        'deny to self tcp port 25', 'allow to self', 'reject from rest to rest', 'deny from self']


@pytest.mark.parametrize('line', ['sudo ufw deny from 192.0.2.9', '/usr/sbin/ufw deny from 192.0.2.9', "ufw deny from 192.0.2.9 comment 'a; b'"])
def test_ufw_by_other_words(keepstate, line):
    """A command of a script is one with sudo, and with its path, too."""
    policy = keepstate('import', 'ufw', '-', stdin=f'#!/bin/sh\n{line}\nufw allow 80/tcp\n'.encode()).stdout
    assert policy.index('deny to self source 192.0.2.9') < policy.index('allow to self tcp port 80')


@pytest.mark.parametrize('line', [
    'for ip in 192.0.2.9; do ufw deny from $ip; done', '[ -f x ] || ufw deny from 192.0.2.9', 'ufw deny from 192.0.2.9 && ufw deny from 192.0.2.8',
    'ufw deny from $BAD', 'sudo -n ufw deny from 192.0.2.9', 'if ufw deny from 192.0.2.9', 'ufw deny from 192.0.2.9;'])
def test_ufw_by_a_shell(keepstate, line):
    """Rules that only a shell would make are not lost: the text is refused."""
    text = f'{line}\nufw allow 80/tcp\n'.encode()
    assert 'line 1: no shell runs here' in keepstate('import', 'ufw', '-', stdin=text, code=2).stderr


def test_form_unknown(keepstate):
    assert 'expected one of iptables-save' in keepstate('import', 'ipchains', '-', code=2).stderr


@pytest.mark.parametrize('file, denied', [('-A ufw-before-input', 'ipv6'), ('-A ufw6-before-input', 'ipv4')])
def test_ufw_before_of_a_family(keepstate, file, denied):
    """The other family is accepted as ufw does it anyway: its answers pass."""
    text = (f'DEFAULT_INPUT_POLICY="DROP"\nDEFAULT_OUTPUT_POLICY="ACCEPT"\n*filter\n{file} -m conntrack --ctstate ESTABLISHED -j ACCEPT\n'
            f'{file.replace("input", "output")} -m conntrack --ctstate ESTABLISHED -j ACCEPT\nCOMMIT\nufw allow 22/tcp\n')
    policy = keepstate('import', 'ufw', '-', stdin=text.encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    assert re.findall('^allow (.*?)  #', policy, re.M) == ['to self tcp port 22', 'from self']


def test_ufw_table_is_whole(keepstate):
    text = b'*filter\n-A ufw-before-input -p tcp -j DROP\n'
    assert 'table filter has no COMMIT' in keepstate('import', 'ufw', '-', stdin=text, code=2).stderr
