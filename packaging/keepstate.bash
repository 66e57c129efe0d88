# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Completion of keepstate's command line for bash. Commands and options are asked from the program itself, so they are those that
# it has.
_keepstate() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' i

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--netns) i=$((i + 1)) ;;
		-*) ;;
		*) command=${COMP_WORDS[i]} && break ;;
		esac
	done
	if [ "$before" = --netns ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(ls /run/netns 2>/dev/null)" -- "$word")
	elif [ -z "$command" ] && [[ $word != -* ]] || [ "$command" = help ]; then
		mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" 2>/dev/null | sed -n 's/^  \([a-z]\{1,\}\) .*/\1/p') help" -- "$word")
	elif [ -z "$command" ]; then
		mapfile -t COMPREPLY < <(compgen -W '--netns --version --help' -- "$word")
	elif [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" "$command" --help 2>/dev/null |
			sed -n 's/^  \(-., \|    \)\(--[a-z][a-z-]*\).*/\2/p')" -- "$word")
	elif [ "$command" = set ] && [ "$before" = set ]; then
		mapfile -t COMPREPLY < <(compgen -W 'list add remove replace flush' -- "$word")
	elif [ "$command" = states ]; then
		mapfile -t COMPREPLY < <(compgen -W kill -- "$word")
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	fi
}
complete -o filenames -F _keepstate keepstate
